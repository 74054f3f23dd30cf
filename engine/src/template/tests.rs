//! Templates as models have them, and templates that mean harm.

use serde_json::json;

use super::*;

const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m['content'].strip() }}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

fn render(source: &str) -> Result<String, EngineError> {
    let messages = json!([{"role": "user", "content": " Hi "}]);
    Template::new(source, "<s>", "</s>")?.render(&messages, &Json::Null, &serde_json::Map::new())
}

/// Refused, and the process lives on: bounds on steps and bytes bound time and memory.
fn refused(what: &str, source: &str) {
    let rendered = render(source).map(|text| text.len());
    assert!(matches!(rendered, Err(EngineError::Template { .. })), "{what}: {rendered:?}");
}

#[test]
fn a_conversation_is_written_as_the_model_wants_it() {
    assert_eq!(render(CHATML).unwrap(), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    assert_eq!(render("{{ bos_token }}{{ messages[0].missing }}x").unwrap(), "<s>x");
    let cases = [
        ("{% set n = namespace(a=1) %}{% set n.a = 2 %}{{ n.a }}{{ {'k': 1} | tojson }}", "2{\"k\": 1}"),
        ("{% macro m(a, b=2) %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}{{ m(3, b=4) }}", "<12><34>"),
        (
            "{% for a in [1, 2, 3] %}{% if a == 2 %}two{% elif a > 2 %}more{% else %}less{% endif %}{% endfor %}",
            "lesstwomore",
        ),
        ("{% set l = [1] + [2, 3] %}{{ l[1:] | join('-') }}{{ l | length * 2 }}{{ 'ab' * 2 }}", "2-36abab"),
        ("{{ 'a,b'.split(',')[1] }}{{ 'aa'.replace('a', 'bc') }}{{ 'x' in 'xyz' and 2 not in [1] }}", "bbcbcTrue"),
        (
            "{% set t %}{% for a in range(3) %}{{ a }}{{ ',' if not loop.last else '' }}{% endfor %}{% endset %}{{ t }}",
            "0,1,2",
        ),
        (
            "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | list | tojson }}",
            "[\" Hi \"]",
        ),
        ("{{ 2.5 * 2 }} {{ -3 * 2 }} {{ [1, 2] * 2 }} {{ 1 < 2 < 3 }}", "5.0 -6 [1, 2, 1, 2] True"),
        ("{% for k, v in {'a': 1}.items() recursive %}{{ k }}{{ v }}{% endfor %}{{ '%s!' | format('x') }}", "a1x!"),
    ];
    for (source, expected) in cases {
        assert_eq!(render(source).unwrap(), expected, "{source}");
    }
}

/// The classes of CVE-2024-34359 and CVE-2026-5760: templates that reach for code, files or other templates.
#[test]
fn a_template_reaches_nothing_but_the_conversation() {
    let cases = [
        ("another file", "{% include '/etc/passwd' %}"),
        ("another template", "{% extends 'other' %}"),
        ("a module", "{% import 'os' as os %}{{ os }}"),
        ("itself", "{% include 'chat' %}"),
        ("the interpreter", "{{ ''.__class__.__mro__[1].__subclasses__() }}"),
        ("the globals", "{{ cycler.__init__.__globals__.os.popen('id').read() }}"),
        ("an import", "{{ self.__init__.__globals__['__builtins__']['__import__']('os') }}"),
        ("a request's globals", "{{ lipsum.__globals__['os'].popen('id').read() }}"),
        ("attributes by filter", "{{ (''|attr('__class__')|attr('__base__')|attr('__subclasses__'))() }}"),
        ("its own names", "{{ debug() }}"),
        ("its own refusal", "{{ raise_exception('no') }}"),
        ("no template", "{% for %}"),
    ];
    for (what, source) in cases {
        refused(what, source);
    }
}

#[test]
fn time_and_output_are_bounded() {
    let cases = [
        ("an endless loop", "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"),
        ("endless output", "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}"),
        ("endless plain text", &format!("{{% for a in range(99999) %}}{}{{% endfor %}}", "x".repeat(9_000))),
        ("endless recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
        ("a loop into itself", "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
        ("a comparison without end", &format!("{}{{{{ a == b }}}}", doubled_lists())),
        ("a search without end", &format!("{}{{{{ a in [b, 1] }}}}", doubled_lists())),
        ("a list shown without end", &format!("{}{{{{ a }}}}", doubled_lists())),
        ("a list as text without end", &format!("{}{{{{ (a in 'x') }}}}", doubled_lists())),
        ("a list as JSON without end", &format!("{}{{{{ a | tojson }}}}", doubled_lists())),
    ];
    for (what, source) in cases {
        refused(what, source);
    }
}

/// Two lists that hold each half of themselves twice, forty times over: small, and endless to walk.
fn doubled_lists() -> String {
    format!("{{% set a = [1] %}}{{% set b = [1] %}}{}", "{% set a = [a, a] %}{% set b = [b, b] %}".repeat(40))
}

#[test]
fn memory_is_bounded() {
    let loops = |body: &str| {
        format!("{{% set n = namespace(x='abcdefgh', l=[]) %}}{{% for i in range(9999) %}}{body}{{% endfor %}}")
    };
    let cases = [
        ("doubling", loops("{% set n.x = n.x ~ n.x %}")),
        ("doubling by adding", loops("{% set n.x = n.x + n.x %}")),
        (
            "doubling by blocks",
            format!("{{% set x = 'abcdefgh' %}}{}", "{% set x %}{{ x }}{{ x }}{% endset %}".repeat(60)),
        ),
        (
            "doubling by macros",
            "{% macro m(d) %}{% if d > 0 %}{{ m(d - 1) }}{{ m(d - 1) }}{% endif %}12345678{% endmacro %}{{ m(60) }}"
                .into(),
        ),
        ("doubling by replacing", loops("{% set n.x = n.x.replace('a', 'aaaaaaaa') %}")),
        ("doubling by the filter", loops("{% set n.x = n.x | replace('a', 'aaaaaaaa') %}")),
        ("doubling by joining", loops("{% set n.x = n.x.join(['', n.x, '']) %}")),
        ("doubling by format", loops("{% set n.x = '%s%s' | format(n.x, n.x) %}")),
        ("doubling by JSON", loops("{% set n.x = [n.x, n.x] | tojson %}")),
        ("lists doubled", loops("{% set n.l = n.l + n.l + [1] %}{{ n.l | length }}")),
        ("lists kept", loops("{% set n.l = n.l + ['x' * 1000000] %}")),
        ("lists in lists", loops("{% set n.l = [n.l] %}")),
        ("maps in maps", loops("{% set n.l = dict(a=n.l) %}")),
        ("what holds itself", "{% set n = namespace() %}{% set n.n = n %}".into()),
        ("what holds itself in a list", "{% set n = namespace() %}{% set n.n = [n] %}".into()),
        ("copies kept", loops("{% set n.l = n.l + [n.x * 100000] | map('upper') | list %}")),
        ("a wide format", "{{ '%999999999d' | format(1) }}".into()),
        ("a wide format by argument", "{{ '%*d' | format(999999999, 1) }}".into()),
        ("a wide method format", "{{ '{:>999999999}'.format(1) }}".into()),
        ("a wide indent", "{{ 'a\nb' | indent(9999999999) }}".into()),
        ("a wide batch", "{{ [1] | batch(9999999999, 'x') | list }}".into()),
        ("a wide slice", "{{ [1] | slice(9999999999, 'x') | list }}".into()),
        ("a wide map", "{{ ['x'] | map('indent', 9999999999, true) | map('batch', 9999999999, 'x') | list }}".into()),
        ("a long repetition", "{% set t = 999999999999 %}{{ 'x' * t }}".into()),
        ("a long repeated list", "{% set t = 999999999999 %}{{ ([1] * t) | list | length }}".into()),
        ("a long constant", "{{ 'x' * 99999999 }}".into()),
        ("a long constant by factors", "{{ 'x' * (99 + 1) * (99 + 1) * (99 + 1) * (99 + 1) }}".into()),
        ("a long constant by ones", format!("{{{{ 'x'{} }}}}", " * (1 + 1)".repeat(40))),
        ("a long constant by powers", "{{ 'x' * 10 ** 8 }}".into()),
        ("many long constants", "{{ 'x' * 99999 }}".repeat(9_000)),
    ];
    for (what, source) in cases {
        refused(what, &source);
    }
}

#[test]
fn the_stack_is_bounded() {
    let many = |count: usize, text: &str| text.repeat(count);
    let cases = [
        ("a long chain", format!("{{{{ 1{} }}}}", many(60_000, "+1"))),
        ("a long chain of filters", format!("{{{{ 1{} }}}}", many(60_000, "|d"))),
        ("a long chain of names", format!("{{{{ a{} }}}}", many(60_000, ".a"))),
        ("many branches", format!("{{% if a %}}{}{{% endif %}}", many(20_000, "{%elif a%}"))),
        ("many brackets", format!("{{{{ {}1{} }}}}", many(60_000, "("), many(60_000, ")"))),
        ("many lists", format!("{{{{ {}1{} }}}}", many(60_000, "["), many(60_000, "]"))),
        ("many negations", format!("{{{{ {}1 }}}}", many(60_000, "not "))),
        ("many loops", many(20_000, "{%for a in b%}")),
    ];
    for (what, source) in cases {
        refused(what, &source);
    }
    assert!(Template::new(&"x".repeat(TEMPLATE_BYTES_MAX + 1), "", "").is_err());
    // What is just let in is also run, on a caller's small stack.
    let deep = [
        format!("{{{{ 1{} }}}}", many(500, "+1")),
        format!("{{{{ 1{} }}}}", many(500, "|d")),
        format!("{{% if a %}}{}{{% endif %}}", many(500, "{%elif a%}")),
    ];
    for source in deep {
        let small = std::thread::Builder::new().stack_size(128 << 10);
        small.spawn(move || render(&source).unwrap()).unwrap().join().unwrap();
    }
}

#[test]
fn a_long_conversation_is_well_within_the_bounds() {
    let turn = |at: usize| json!({"role": if at.is_multiple_of(2) { "user" } else { "assistant" }, "content": "word ".repeat(1_000)});
    let messages = Json::Array((0..1_000).map(turn).collect());
    let template = Template::new(CHATML, "", "").unwrap();
    let text = template.render(&messages, &Json::Null, &serde_json::Map::new()).unwrap();
    assert!(text.len() > 5_000_000);
}

#[test]
fn an_error_does_not_quote_the_conversation() {
    let messages = json!([{"role": "user", "content": "my secret"}]);
    let template = Template::new("{{ raise_exception(messages[0].content) }}", "", "").unwrap();
    let error = template.render(&messages, &Json::Null, &serde_json::Map::new()).unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}
