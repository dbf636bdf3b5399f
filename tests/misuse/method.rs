struct Store;

impl Store {
    #[neuralblitz_cache::cache_result(prefix = "p")]
    async fn f(&self, id: u8) -> u8 {
        id
    }
}

fn main() {}
