fn main(){}
mod peers; mod server;
