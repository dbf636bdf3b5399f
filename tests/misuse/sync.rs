#[neuralblitz_cache::cache_result(prefix = "p")]
fn f(id: u8) -> u8 {
    id
}

fn main() {}
