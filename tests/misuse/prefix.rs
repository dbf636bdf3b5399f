#[neuralblitz_cache::cache_result(ttl = 3600)]
async fn none(id: u8) -> u8 {
    id
}

#[neuralblitz_cache::cache_result(prefix = "a:*")]
async fn glob(id: u8) -> u8 {
    id
}

fn main() {}
