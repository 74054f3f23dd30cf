//! What requests are found to be: kinds in many languages, what counts and what does not, and who is good enough.

use super::*;
use crate::message::{Content, Message, Part, Role, Source};
use crate::plan::fixture;
use crate::request::{RequestDraft, ResponseFormat, Tool};

fn assess_draft(messages: Vec<Message>, change: impl FnOnce(&mut RequestDraft)) -> Complexity {
    let mut draft = RequestDraft { messages, ..RequestDraft::default() };
    change(&mut draft);
    let request = Request::try_from(draft).unwrap();
    Scorer::builtin().assess(&request, &Needs::of(&request))
}

fn assess(text: &str) -> Complexity {
    assess_draft(vec![Message::user(text)], |_| {})
}

#[track_caller]
fn check_kind(text: &str, kind: TaskKind) {
    let complexity = assess(text);
    assert_eq!(complexity.kind(), kind, "{text}: {:?}", complexity.parts());
}

#[test]
fn kinds_are_told_in_many_languages() {
    use TaskKind::*;
    check_kind("Hi there, thanks!", Conversation);
    check_kind("Translate the following sentence into German: the weather is lovely today.", Translation);
    check_kind("Übersetze bitte ins Englische: Der Zug hat heute leider Verspätung.", Translation);
    check_kind("请把下面这句话翻译成英文：今天天气很好，我们去公园散步。", Translation);
    check_kind("Summarize the meeting notes below in three sentences. We met on Monday and agreed to ship.", Summary);
    check_kind("Résume ce texte en deux phrases : la réunion a porté sur le budget de l'année.", Summary);
    check_kind("Extract all names and dates from this invoice: Acme GmbH, 12 May 2024, Ms Novak.", Extraction);
    check_kind(
        "Classify the sentiment of this review as positive, negative or neutral: 'It broke at once.'",
        Classification,
    );
    check_kind("Write a poem about the sea for my grandmother, in four stanzas.", Writing);
    check_kind("Напиши короткое стихотворение о весне для школьного праздника.", Writing);
    check_kind("What is the capital of Mongolia?", Knowledge);
    check_kind("Solve for x: 3x^2 - 12x + 9 = 0, and compute the sum of the roots.", Mathematics);
    check_kind("Calcula la probabilidad de sacar dos ases de una baraja de 52 cartas.", Mathematics);
    check_kind("Fix the bug in this function:\n```python\ndef f(x):\n    return x[0] + f(x[1:])\n```", Code);
    check_kind(
        "Mara picks 14 apples a day and sells 9 of them. How many apples does she keep after 6 days?",
        Mathematics,
    );
    check_kind("Write a lock-free MPMC queue in Rust and prove that it is linearizable.", Code);
    check_kind(
        "Three knights and a liar guard a maze. The liar moves clockwise to an adjacent cell each turn. Which wall has the exit?",
        Reasoning,
    );
    check_kind(
        "Rearrange the letters of 'listen' into an anagram that reads the same backwards and is no palindrome.",
        Reasoning,
    );
    check_kind(
        "Write a Python function that sorts the rows and columns of a grid and returns the shortest path.",
        Code,
    );
    check_kind("Write a short email to the team about the bug in the report.", Writing);
    check_kind("Write a story about a python that learns to swim.", Writing);
    check_kind("Prove that there are infinitely many primes congruent to 3 modulo 4.", Reasoning);
}

#[test]
fn the_system_prompt_does_not_make_it_hard() {
    let long = "You are a helpful assistant. Prove, derive, verify. ".repeat(400);
    let plain = assess("What is the capital of Mongolia?");
    let with = assess_draft(vec![Message::system(long), Message::user("What is the capital of Mongolia?")], |_| {});
    assert_eq!(plain.kind(), with.kind());
    assert!((plain.place() - with.place()).abs() < 0.01, "{:?} {:?}", plain.parts(), with.parts());
}

#[test]
fn yes_inherits_its_thread() {
    let hard = "Prove that every continuous function on a compact metric space is uniformly continuous, rigorously.";
    let thread = assess_draft(
        vec![Message::user(hard), Message::assistant("Shall I give the full proof?"), Message::user("yes")],
        |_| {},
    );
    assert!(thread.difficulty() > assess("yes").difficulty() + 0.3);
    assert_eq!(thread.kind(), TaskKind::Reasoning);
    let closed = assess_draft(
        vec![
            Message::user(hard),
            Message::assistant("Done."),
            Message::user("Now translate this sentence into French: the cat sleeps on the warm mat."),
        ],
        |_| {},
    );
    assert_eq!(closed.kind(), TaskKind::Translation);
}

#[test]
fn what_comes_with_it_counts() {
    let ask = "Extract all totals from the invoice.";
    let plain = assess(ask).place();
    let image = Source::Url { url: "https://example.com/a.png".to_owned(), media_type: None };
    let with =
        |content| assess_draft(vec![Message::new(Role::User, vec![Part::text(ask), Part::new(content)])], |_| {});
    assert!(with(Content::Image { source: image }).place() > plain);
    let text = Source::Text { text: "line of an invoice\n".repeat(20_000), media_type: "text/plain".to_owned() };
    assert!(with(Content::Document { source: text, name: None }).place() > plain + 0.5);
    let tool = |draft: &mut RequestDraft| {
        let parameters = None;
        draft.tools.push(Tool {
            name: "look_up".to_owned(),
            description: None,
            parameters,
            strict: None,
            cache: None,
            vendor: Default::default(),
        });
    };
    assert!(assess_draft(vec![Message::user(ask)], tool).place() > plain);
    let schema =
        serde_json::json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "number"}}});
    let format = ResponseFormat::JsonSchema { name: "totals".to_owned(), description: None, schema, strict: None };
    assert!(assess_draft(vec![Message::user(ask)], |draft| draft.format = Some(format)).place() > plain);
}

#[test]
fn parts_add_up_and_hold_no_text() {
    let complexity = assess("Prove, only with induction, that 1 + 2 + ... + n = n(n+1)/2. Secretword.");
    let sum: f64 = complexity.parts().iter().map(|part| part.amount).sum();
    assert!((sum - complexity.place()).abs() < 1e-9);
    assert!(!format!("{complexity:?}").contains("Secretword"));
}

#[test]
fn easy_work_is_for_all_and_hard_work_for_the_best() {
    let scorer = Scorer::builtin();
    let rate = |text: &str, family: &str| {
        let mut card = (*fixture::cards()[0]).clone();
        card.family = family.to_owned();
        let request = Request::user(text).unwrap();
        scorer.assess(&request, &Needs::of(&request)).rating(&card)
    };
    let easy = "Classify this review as positive or negative: 'I love it, it works well.'";
    let hard =
        "Prove rigorously that the lock-free queue below is linearizable; verify every race and give the invariant.";
    assert!(rate(easy, "llama-3.1-8b").p_good > 0.95 * rate(easy, "gpt-5").p_good);
    assert!(rate(hard, "llama-3.1-8b").p_good < 0.7 * rate(hard, "gpt-5").p_good);
    assert!(rate(hard, "gpt-5").output_tokens > 2 * rate(hard, "gpt-4o").output_tokens, "thinking is written too");
    assert!(rate(easy, "gpt-5").output_tokens < rate(hard, "gpt-5").output_tokens);
}

#[test]
fn an_unknown_family_is_judged_by_tier_and_price() {
    let complexity = assess("Prove that there are infinitely many primes.");
    let rate = |id: &str| {
        let card = fixture::cards().into_iter().find(|card| card.id.as_str() == id).unwrap();
        assert!(!complexity.ability(&card).1);
        complexity.rating(&card).p_good
    };
    assert!(rate("acme/mini") < rate("acme/middle"));
    assert!(rate("acme/middle") < rate("acme/grand"));
}

#[test]
fn a_row_of_ones_own_counts() {
    let scorer = Scorer::builtin().with_abilities("grand\t1.0\t-\tgpqa=20").unwrap();
    let request = Request::user("Prove that there are infinitely many primes.").unwrap();
    let card = &fixture::cards()[0];
    let rate = |scorer: &Scorer| scorer.assess(&request, &Needs::of(&request)).rating(card).p_good;
    assert!(rate(&scorer) < rate(&Scorer::builtin()) - 0.2);
}

#[test]
fn any_text_is_read() {
    for text in
        ["", "\u{0}", "```", "🙂🙂🙂", "A.", "é", "\n\n\n", "翻", &"ab\u{301}".repeat(9_000), &"漢字".repeat(9_000)]
    {
        if let Ok(request) = Request::user(text) {
            let complexity = Scorer::builtin().assess(&request, &Needs::of(&request));
            assert!(complexity.place().is_finite(), "{text:.20}");
        }
    }
}
