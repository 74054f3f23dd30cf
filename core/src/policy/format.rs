//! Parts of a request that only one format or one vendor knows do not travel, nor do addresses of media to formats that
//! take bytes alone.

use super::Facts;
use super::needs::{Addressed, Needs};
use super::refusal::{RuleName, Sink};
use crate::model::{Api, Endpoint};
use crate::request::ModelChoice;

/// Whether something of a request is not for every format: where nothing is, no endpoint is refused.
pub(super) fn matters(needs: &Needs) -> bool {
    needs.formats != 0 || needs.uploads || needs.addressed != Addressed::default()
}

pub(super) fn check(facts: &Facts<'_>, endpoint: &Endpoint, out: &mut impl Sink) {
    if facts.needs.excludes(endpoint.api) {
        out.refuse(RuleName::Format, || format!("parts of the request cannot be said in {}", endpoint.api));
    }
    let pinned = facts.snapshot.pin().is_some_and(|pin| pin.endpoint == endpoint.id);
    if facts.needs.uploads && facts.request.model == ModelChoice::Auto && !pinned {
        out.refuse(RuleName::Format, || "an uploaded file is at one vendor: name the model to ask".to_owned());
    }
    let asked = facts.needs.addressed;
    if asked == Addressed::default() {
        return;
    }
    let taken = taken(endpoint);
    let refused = [
        (asked.images && !taken.images, "pictures"),
        (asked.documents && !taken.documents, "documents"),
        (asked.sound_or_film && !taken.sound_or_film, "sound and film"),
    ];
    for (_, what) in refused.into_iter().filter(|(is_refused, _)| *is_refused) {
        out.refuse(RuleName::Format, || {
            format!("{} takes {what} as bytes, not by address: send their bytes", endpoint.api)
        });
    }
}

/// Which media an endpoint's format takes by a web address.
fn taken(endpoint: &Endpoint) -> Addressed {
    let all = Addressed { images: true, documents: true, sound_or_film: true };
    match endpoint.api {
        Api::Converse | Api::Invoke | Api::OllamaChat | Api::OllamaGenerate | Api::Engine => Addressed::default(),
        Api::CohereChat => Addressed { images: true, ..Addressed::default() },
        Api::ChatCompletions => Addressed { documents: endpoint.dialect.more.contains_key("file_url"), ..all },
        _ => all,
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests {
    use super::*;
    use crate::message::{Content, Message, Part, Source};
    use crate::policy::{Needs, Policy, admit};
    use crate::request::Request;
    use crate::snapshot::{Offers, Snapshot};
    use crate::testing::world;
    use std::sync::Arc;

    fn refusals(api: Api, content: Content) -> Vec<String> {
        let mut message = Message::user("What is this?");
        message.parts.push(Part::new(content));
        let request = Request::builder().message(message).build().unwrap();
        let card = Arc::new(world::card("acme/fox").unwrap());
        let endpoint = Arc::new(world::endpoint("acme", api, "http://127.0.0.1:9").unwrap());
        let offers = Arc::new(Offers::new([card.clone()], [endpoint.clone()]));
        let snapshot = Snapshot::new(offers, crate::time::Timestamp::from_ms(1_790_000_000_000));
        let needs = Needs::of(&request);
        let judged = admit(&request, &card, &endpoint, &Policy::default(), &snapshot, &needs);
        judged.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn media_by_address_are_refused_where_a_format_takes_bytes_alone() {
        let at = |url: &str| Source::Url { url: url.to_owned(), media_type: None };
        let bytes = Source::Base64 { media_type: "image/png".into(), data: "AAAA".into() };
        let image = |source| Content::Image { source };
        for api in [Api::Converse, Api::Invoke, Api::OllamaChat, Api::OllamaGenerate] {
            let found = refusals(api, image(at("HTTPS://e.org/a.png")));
            assert!(found[0].contains("pictures as bytes"), "{api}: {found:?}");
            assert_eq!(refusals(api, image(bytes.clone())), Vec::<String>::new(), "{api}");
        }
        assert_eq!(refusals(Api::Converse, image(at("s3://b/a.png"))), Vec::<String>::new());
        for api in [Api::ChatCompletions, Api::Responses, Api::Messages, Api::GenerateContent, Api::CohereChat] {
            assert_eq!(refusals(api, image(at("https://e.org/a.png"))), Vec::<String>::new(), "{api}");
        }
        let document = |source| Content::Document { source, name: None };
        assert_eq!(refusals(Api::ChatCompletions, document(at("https://e.org/a.pdf"))).len(), 1);
        assert_eq!(refusals(Api::Messages, document(at("https://e.org/a.pdf"))).len(), 0);
    }
}
