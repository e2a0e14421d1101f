//! The JSON API: modules, routes and tests share one tree.
//!
//! Handlers open what the request carries, call one action and send its answer; nothing
//! is decided here. Start reading at [`routes`], then any handler; `/openapi.json` is made
//! from the same annotations, and a test compares it with the routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::handler::Handler;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use crate::problem::Problem;
use crate::site::Site;

mod bookings;
mod campaigns;
mod demo;
mod extract;
mod identities;
mod openapi;
mod operator;
mod partner;
mod rooms;
mod rush;
mod service;
mod standbys;

pub use openapi::document;
pub(crate) use rooms::document_of;
pub(crate) use rush::Rush;

/// Headers of an answer, those of the front included: room for them is made once.
const HEADERS_USUAL: usize = 6;

/// An address and its method, as in the OpenAPI document.
pub type Listed = (Method, &'static str);

/// Routes, and a list of them to be compared with the document.
pub(super) struct Tree {
    router: Router<Arc<Site>>,
    listed: Vec<Listed>,
}

impl Tree {
    fn get<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, handler: H) -> Tree {
        self.add(Method::GET, path, get(handler))
    }

    fn post<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, handler: H) -> Tree {
        self.add(Method::POST, path, post(handler))
    }

    fn put<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, handler: H) -> Tree {
        self.add(Method::PUT, path, put(handler))
    }

    fn delete<H: Handler<T, Arc<Site>>, T: 'static>(self, path: &'static str, handler: H) -> Tree {
        self.add(Method::DELETE, path, delete(handler))
    }

    fn add(mut self, method: Method, path: &'static str, route: MethodRouter<Arc<Site>>) -> Tree {
        self.listed.push((method, path));
        self.router = self.router.route(path, route);
        self
    }
}

/// All routes of the API.
pub fn routes() -> Router<Arc<Site>> {
    let unknown = async || Problem::not_found();
    let misused = async || {
        let detail = "There is something at this address, but not for this method. Nothing was changed.";
        Problem::caller(StatusCode::METHOD_NOT_ALLOWED, "method_unfit", "Not for this method", detail)
    };
    tree().router.route("/api/{*rest}", axum::routing::any(unknown)).method_not_allowed_fallback(misused)
}

/// Every address of the API with its method.
#[must_use]
pub fn listed() -> Vec<Listed> {
    tree().listed
}

fn tree() -> Tree {
    let tree = Tree { router: Router::new(), listed: Vec::new() };
    let tree = rooms::routes(tree);
    let tree = campaigns::routes(tree);
    let tree = identities::routes(tree);
    let tree = bookings::routes(tree);
    let tree = standbys::routes(tree);
    let tree = partner::routes(tree);
    let tree = operator::routes(tree);
    let tree = demo::routes(tree);
    service::routes(tree)
}

/// An answer as JSON that nobody may keep.
pub(super) struct Answer<T>(pub(super) StatusCode, pub(super) T);

impl<T: Serialize> Answer<T> {
    /// The answer with its bytes as they are.
    pub(super) fn whole(self) -> http::Response<Bytes> {
        json(self.0, &self.1, "no-store")
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        self.whole().map(Body::from)
    }
}

/// An answer that is the same for everyone and may be kept for a second.
pub(super) struct Public<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Public<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0, "public, max-age=1").map(Body::from)
    }
}

pub(super) fn ok<T>(answer: T) -> Answer<T> {
    Answer(StatusCode::OK, answer)
}

pub(super) fn created<T>(answer: T) -> Answer<T> {
    Answer(StatusCode::CREATED, answer)
}

fn json<T: Serialize>(status: StatusCode, answer: &T, cache: &'static str) -> http::Response<Bytes> {
    let Ok(body) = serde_json::to_vec(answer) else {
        return Problem::ours("The answer could not be written. Look at your bookings before you try again.")
            .whole();
    };
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(HEADERS_USUAL);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}
