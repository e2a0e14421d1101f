//! The upper bound of B1 and B3: the same server (hyper over tokio, with the settings of
//! `jari_web::server`) whose handler does nothing. It answers 200 to everything, without
//! routes, headers or limits: what is left is the price of HTTP itself.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jari_web::server::ServerOptions;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let options = ServerOptions::default();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(options.headers_time)
        .max_headers(options.headers_max)
        .max_buf_size(options.head_bytes_max)
        .pipeline_flush(true)
        .half_close(false);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let serving = http.serve_connection(TokioIo::new(stream), service_fn(nothing));
        // A connection that ends early is the generator's way to say goodbye.
        tokio::spawn(async { serving.await.unwrap_or_default() });
    }
}

async fn nothing(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}
