#[neuralblitz_cache::cache_result(prefix = "p", ttl = "1h")]
async fn f(id: u8) -> u8 {
    id
}

#[neuralblitz_cache::cache_result(prefix = "p", tags = "users")]
async fn g(id: u8) -> u8 {
    id
}

#[neuralblitz_cache::cache_result(prefix = "p", tll = 1)]
async fn h(id: u8) -> u8 {
    id
}

#[neuralblitz_cache::cache_result(prefix = "p")]
struct S;

fn main() {}
