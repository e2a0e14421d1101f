//! Citizens' pages and the operator's console.

use std::sync::Arc;

use axum::Router;

use crate::site::Site;

/// All pages.
pub fn routes() -> Router<Arc<Site>> {
    Router::new()
}
