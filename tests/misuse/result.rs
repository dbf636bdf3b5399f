#[neuralblitz_cache::cache_result(prefix = "p")]
async fn g(id: u8) -> impl Clone {
    id
}

#[neuralblitz_cache::cache_result(prefix = "p")]
async fn h(id: u8) {
    let _ = id;
}

fn main() {}
