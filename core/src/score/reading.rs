//! One pass over a text: words, signs, lines and cues, counted. Nothing is kept of the text.

use super::cues::{self, Cues, GROUPS, Group};
use super::grams::{self, Grams};

/// Of a longer text this much is read at each end: what is asked stands there, and the middle is material.
const END_BYTES: usize = 6 * 1024;
/// How many words at the start of a text or line tell its purpose.
const LEAD_WORDS: u32 = 8;

/// How many numbers say what a text is made of.
pub(super) const TRAITS: usize = 13 + 7;

/// The usual mean and spread of each number, over the questions that the encoder is trained on, in round figures.
const USUAL: [(f32, f32); TRAITS] = [
    (6.0, 0.89),
    (4.1, 0.87),
    (2.0, 0.85),
    (0.053, 0.093),
    (0.012, 0.035),
    (0.013, 0.033),
    (0.68, 0.18),
    (0.0, 0.1),
    (0.0, 0.1),
    (0.53, 0.58),
    (4.0, 3.9),
    (0.35, 1.3),
    (0.024, 0.22),
    (0.65, 1.3),
    (0.52, 1.3),
    (0.16, 0.54),
    (1.1, 1.5),
    (0.047, 0.33),
    (0.64, 1.2),
    (0.18, 0.58),
];

/// What a text is made of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signals {
    /// Bytes of the whole text.
    pub(super) bytes: u64,
    /// Bytes that were read.
    pub(super) read: u32,
    pub(super) words: u32,
    pub(super) lines: u32,
    pub(super) digits: u32,
    /// Signs of formulas.
    pub(super) math: u32,
    /// Signs of programs.
    pub(super) code: u32,
    pub(super) questions: u32,
    /// Lines that begin like `A.` or `(b)`.
    pub(super) options: u32,
    /// Lines that begin like `-` or `2.`.
    pub(super) items: u32,
    pub(super) fences: u32,
    /// Letters of scripts without spaces between words.
    pub(super) packed: u32,
    /// Letters of other scripts than the Latin.
    pub(super) foreign: u32,
    pub(super) letters: u32,
    /// Hits by group of cues.
    pub(super) cues: [u16; GROUPS],
    /// Of these, among the first words.
    pub(super) lead: [u16; GROUPS],
    /// The largest number that stands beside the word for words, for answers of a wanted length.
    pub(super) number: u32,
}

impl Signals {
    /// Reads a text.
    pub(super) fn of(text: &str, cues: &Cues) -> Signals {
        let mut signals = Signals::default();
        signals.add(text, cues);
        signals
    }

    /// Reads one more text.
    pub(super) fn add(&mut self, text: &str, cues: &Cues) {
        self.add_with(text, cues, None);
    }

    /// The same, and notes its words near both ends where they are wanted.
    pub(super) fn add_with(&mut self, text: &str, cues: &Cues, mut grams: Option<&mut Grams>) {
        self.bytes += text.len() as u64;
        if text.len() <= 2 * END_BYTES {
            return Reader::new(self, cues, grams).read(text);
        }
        Reader::new(self, cues, grams.as_deref_mut()).read(head(text, END_BYTES));
        Reader::new(self, cues, grams).read(tail(text, END_BYTES));
    }

    pub(super) fn cue(&self, group: Group) -> f64 {
        f64::from(self.cues[group as usize])
    }

    pub(super) fn lead(&self, group: Group) -> f64 {
        f64::from(self.lead[group as usize])
    }

    /// How many of the read bytes a count is.
    pub(super) fn share(&self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.read.max(1))
    }

    /// All of it as numbers.
    pub(super) fn traits(&self) -> [f32; TRAITS] {
        let count = |count: u32, most: u32| f64::from(count.min(most));
        let cues = [
            Group::Mathematics,
            Group::Code,
            Group::Reasoning,
            Group::Knowledge,
            Group::Hard,
            Group::Constraint,
            Group::Brief,
        ]
        .map(|group| self.cue(group).min(6.0));
        let plain = [
            (self.bytes as f64).ln_1p(),
            self.length().ln_1p(),
            f64::from(self.lines).ln_1p(),
            self.share(self.digits),
            self.share(self.math),
            self.share(self.code),
            self.share(self.letters),
            self.share(self.packed),
            self.share(self.foreign),
            count(self.questions, 4),
            count(self.options, 12),
            count(self.items, 12),
            count(self.fences, 4),
        ];
        let mut traits = [0.0; TRAITS];
        plain.into_iter().chain(cues).zip(&mut traits).for_each(|(value, into)| *into = value as f32);
        traits
    }

    /// The same in units of how much each varies among questions.
    pub(super) fn scaled(&self) -> [f32; TRAITS] {
        let mut traits = self.traits();
        traits.iter_mut().zip(USUAL).for_each(|(value, (mean, spread))| *value = (*value - mean) / spread);
        traits
    }

    /// Words, where a script without spaces counts two letters for one.
    pub(super) fn length(&self) -> f64 {
        f64::from(self.words) + f64::from(self.packed) / 2.0
    }
}

/// The first `most` bytes, or a little less, since no character is cut.
pub(super) fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The last `most` bytes, or a little less.
fn tail(text: &str, most: usize) -> &str {
    let mut start = text.len().saturating_sub(most);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const LINE: u8 = 3;
const MATH: u8 = 4;
const CODE: u8 = 5;
const QUESTION: u8 = 6;
const WIDE: u8 = 7;

/// What each byte is.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut class = [0u8; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        class[at] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'\n' => LINE,
            b'+' | b'*' | b'/' | b'^' | b'=' | b'<' | b'>' | b'\\' | b'$' | b'%' => MATH,
            b'{' | b'}' | b'(' | b')' | b'[' | b']' | b';' | b'_' | b'#' | b'`' | b'|' | b'&' => CODE,
            b'?' => QUESTION,
            0x80..=0xff => WIDE,
            _ => 0,
        };
        at += 1;
    }
    class
}

struct Reader<'a> {
    signals: &'a mut Signals,
    cues: &'a Cues,
    grams: Option<&'a mut Grams>,
    /// Whether the word at hand stands near an end.
    is_near: bool,
    hash: u32,
    in_word: bool,
    number: u32,
    number_at: u32,
    words: u32,
    /// How many words there were when the line began.
    line_from: u32,
    last_packed: Option<char>,
}

impl<'a> Reader<'a> {
    fn new(signals: &'a mut Signals, cues: &'a Cues, mut grams: Option<&'a mut Grams>) -> Reader<'a> {
        if let Some(grams) = &mut grams {
            grams.begin();
        }
        let hash = Cues::SEED;
        Reader {
            signals,
            cues,
            grams,
            is_near: true,
            hash,
            in_word: false,
            number: 0,
            number_at: u32::MAX,
            words: 0,
            line_from: 0,
            last_packed: None,
        }
    }

    fn read(mut self, text: &str) {
        let bytes = text.as_bytes();
        self.signals.read += bytes.len() as u32;
        self.begin_line(bytes);
        let mut at = 0;
        while at < bytes.len() {
            let eight = cues::eight_at(bytes, at);
            let letters = cues::letters_ahead(eight);
            if letters > 0 {
                at = self.letters(bytes, at, eight, letters);
                continue;
            }
            let byte = eight as u8;
            match CLASS[byte as usize] {
                WIDE => {
                    at += self.wide(text, at);
                    continue;
                }
                0 => self.end_between(),
                class => {
                    self.end_word();
                    self.sign(class, byte, bytes, at);
                }
            }
            at += 1;
        }
        self.end_word();
        self.signals.words += self.words;
    }

    /// ASCII letters from `from` on, of which `letters` are the first of these eight bytes; returns where to read on. Most
    /// words are over then, and the space behind them is read with them.
    #[inline(always)]
    fn letters(&mut self, bytes: &[u8], from: usize, mut eight: u64, mut letters: usize) -> usize {
        let mut hash = cues::hash_letters_of(self.hash, eight, letters);
        let mut end = from + letters;
        while letters == 8 {
            eight = cues::eight_at(bytes, end);
            letters = cues::letters_ahead(eight);
            if letters > 0 {
                hash = cues::hash_letters_of(hash, eight, letters);
                end += letters;
            }
        }
        self.is_near = from < grams::END_BYTES || from + grams::END_BYTES >= bytes.len();
        self.signals.letters += (end - from) as u32;
        // Fewer than eight were letters, so that the byte behind them is there too: a zero after the end.
        let next = CLASS[(eight >> (8 * letters)) as u8 as usize];
        if next == WIDE {
            // It may be a letter too.
            (self.hash, self.in_word) = (hash, true);
            return end;
        }
        (self.hash, self.in_word) = (Cues::SEED, false);
        self.count_word(hash);
        end + usize::from(next == 0)
    }

    /// A space, or another byte that says nothing.
    fn end_between(&mut self) {
        self.end_word();
        self.last_packed = None;
    }

    fn sign(&mut self, class: u8, byte: u8, bytes: &[u8], at: usize) {
        self.last_packed = None;
        match class {
            DIGIT => {
                self.signals.digits += 1;
                let digit = u32::from(byte - b'0');
                let more = at > 0 && CLASS[bytes[at - 1] as usize] == DIGIT;
                self.number = if more { self.number.saturating_mul(10).saturating_add(digit) } else { digit };
                self.number_at = self.words;
            }
            LINE => {
                self.signals.lines += 1;
                self.line_from = self.words;
                self.begin_line(&bytes[at + 1..]);
            }
            MATH => self.signals.math += 1,
            CODE => self.signals.code += 1,
            QUESTION => self.signals.questions += 1,
            _ => {}
        }
    }

    /// Options, list items and fences stand at the start of a line.
    fn begin_line(&mut self, rest: &[u8]) {
        match rest {
            [b'`', b'`', b'`', ..] => self.signals.fences += 1,
            [b'-' | b'*', b' ', ..] => self.signals.items += 1,
            [b'0'..=b'9', b'.' | b')', b' ', ..] => self.signals.items += 1,
            [b'0'..=b'9', b'0'..=b'9', b'.' | b')', b' ', ..] => self.signals.items += 1,
            [b'A'..=b'J', b'.' | b')' | b':', ..] => self.signals.options += 1,
            [b'(', b'A'..=b'J' | b'a'..=b'e', b')', ..] => self.signals.options += 1,
            _ => {}
        }
    }

    /// A character beyond ASCII; returns its bytes.
    fn wide(&mut self, text: &str, at: usize) -> usize {
        let Some(found) = text[at..].chars().next() else { return 1 };
        if !found.is_alphabetic() {
            if matches!(found, '？' | '؟') {
                self.signals.questions += 1;
            }
            if matches!(found, '×' | '÷' | '≤' | '≥' | '√' | '∑' | '∫' | '∈' | '≠' | '±' | '·' | '∞' | '−')
            {
                self.signals.math += 1;
            }
            self.end_word();
            self.last_packed = None;
            return found.len_utf8();
        }
        self.signals.letters += 1;
        if is_packed(found) {
            self.end_word();
            self.signals.packed += 1;
            self.is_near = at < grams::END_BYTES || at + grams::END_BYTES >= text.len();
            if let Some(before) = self.last_packed {
                let hash = Cues::hash_pair(before, found);
                self.note(hash);
                self.look_up(hash);
            }
            self.last_packed = Some(found);
            return found.len_utf8();
        }
        if !('\u{00c0}'..='\u{024f}').contains(&found) {
            self.signals.foreign += 1;
        }
        for lower in found.to_lowercase() {
            self.hash = cues::hash_letter(self.hash, lower);
        }
        self.in_word = true;
        found.len_utf8()
    }

    fn end_word(&mut self) {
        if self.in_word {
            let hash = std::mem::replace(&mut self.hash, Cues::SEED);
            self.in_word = false;
            self.count_word(hash);
        }
    }

    #[inline(always)]
    fn count_word(&mut self, hash: u32) {
        self.words += 1;
        self.last_packed = None;
        self.note(hash);
        self.look_up(hash);
    }

    #[inline]
    fn note(&mut self, hash: u32) {
        if self.is_near
            && let Some(grams) = &mut self.grams
        {
            grams.add(hash);
        }
    }

    /// Most words are no cue.
    #[inline]
    fn look_up(&mut self, hash: u32) {
        let mask = self.cues.find(hash);
        if mask != 0 {
            self.take_cues(mask);
        }
    }

    fn take_cues(&mut self, mask: u16) {
        if mask & (1 << Group::Length as u32) != 0 && self.number_at.wrapping_add(1) == self.words {
            self.signals.number = self.signals.number.max(self.number);
        }
        let is_lead = self.words <= LEAD_WORDS || self.words - self.line_from <= 2;
        let mut left = mask;
        while left != 0 {
            let group = left.trailing_zeros() as usize;
            left &= left - 1;
            self.signals.cues[group] = self.signals.cues[group].saturating_add(1);
            if is_lead {
                self.signals.lead[group] = self.signals.lead[group].saturating_add(1);
            }
        }
    }
}

/// Whether a letter's script sets no spaces between words.
fn is_packed(letter: char) -> bool {
    matches!(letter, '\u{0e00}'..='\u{0e7f}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words, letters, digits and lines, one character after the other.
    fn counted(text: &str) -> [u32; 4] {
        let mut counts = [0; 4];
        let mut in_word = false;
        for found in text.chars() {
            let is_letter = found.is_alphabetic();
            counts[0] += u32::from(is_letter && !in_word);
            counts[1] += u32::from(is_letter);
            counts[2] += u32::from(found.is_ascii_digit());
            counts[3] += u32::from(found == '\n');
            in_word = is_letter;
        }
        counts
    }

    #[test]
    fn words_end_alike_wherever_they_stand() {
        let cues = Cues::builtin();
        let pieces =
            ["a", "of", "seventh", "summarise", "Ä", "größer", "слово", " ", "  ", ", ", "\n", "7", "42", "—", "\0"];
        let mut state = 1u64;
        for _ in 0..3_000 {
            let mut text = String::new();
            for _ in 0..state % 12 {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
            }
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1) >> 1;
            let signals = Signals::of(&text, &cues);
            assert_eq!([signals.words, signals.letters, signals.digits, signals.lines], counted(&text), "{text:?}");
        }
        assert_eq!(Signals::of("Summarise, summarise and SUMMARISE", &cues).cue(Group::Summary), 3.0);
    }
}
