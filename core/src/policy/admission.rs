//! The proof that policy let a request through to a model at an endpoint.

use std::sync::Arc;

use crate::model::{Endpoint, ModelCard};
use crate::request::Request;

/// A request that may be sent to one model at one endpoint. It owns what it admits, so that it fits nothing else.
#[derive(Clone, Debug)]
pub struct Admission {
    request: Request,
    card: Arc<ModelCard>,
    endpoint: Arc<Endpoint>,
}

impl Admission {
    /// For the rules of this folder alone.
    pub(in crate::policy) fn new(request: Request, card: Arc<ModelCard>, endpoint: Arc<Endpoint>) -> Admission {
        Admission { request, card, endpoint }
    }

    /// What may be sent.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The model that may see it.
    pub fn card(&self) -> &Arc<ModelCard> {
        &self.card
    }

    /// The endpoint that may see it.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}
