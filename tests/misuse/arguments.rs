#[neuralblitz_cache::cache_result(prefix = "p")]
async fn f((a, b): (u8, u8), _: u8) -> u8 {
    a + b
}

#[neuralblitz_cache::cache_result(prefix = "p", stale_while_revalidate = 60)]
async fn h(name: &str) -> usize {
    name.len()
}

fn main() {}
