//! A set of capabilities in one word, so that 120 models are compared with a request in nanoseconds.

use std::fmt;

use crate::model::Capability;

/// Every capability, in the order in which they are listed to people.
const ALL: [Capability; 15] = [
    Capability::Vision,
    Capability::AudioInput,
    Capability::VideoInput,
    Capability::Documents,
    Capability::Tools,
    Capability::ParallelTools,
    Capability::ForcedTools,
    Capability::JsonMode,
    Capability::JsonSchema,
    Capability::Reasoning,
    Capability::Logprobs,
    Capability::PromptCache,
    Capability::Streaming,
    Capability::Seed,
    Capability::Candidates,
];

/// A set of capabilities.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CapabilitySet(u32);

impl CapabilitySet {
    /// Adds one.
    pub const fn insert(&mut self, capability: Capability) {
        self.0 |= 1 << capability as u32;
    }

    /// Whether it is in the set.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }

    /// Those that `other` lacks.
    pub const fn minus(self, other: CapabilitySet) -> CapabilitySet {
        CapabilitySet(self.0 & !other.0)
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        ALL.into_iter().filter(move |capability| self.has(*capability))
    }
}

impl FromIterator<Capability> for CapabilitySet {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> CapabilitySet {
        let mut set = CapabilitySet::default();
        capabilities.into_iter().for_each(|capability| set.insert(capability));
        set
    }
}

impl fmt::Debug for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The name of a capability, as the catalogue writes it.
pub(crate) fn name_of(capability: Capability) -> &'static str {
    match capability {
        Capability::Vision => "vision",
        Capability::AudioInput => "audio_input",
        Capability::VideoInput => "video_input",
        Capability::Documents => "documents",
        Capability::Tools => "tools",
        Capability::ParallelTools => "parallel_tools",
        Capability::ForcedTools => "forced_tools",
        Capability::JsonMode => "json_mode",
        Capability::JsonSchema => "json_schema",
        Capability::Reasoning => "reasoning",
        Capability::Logprobs => "logprobs",
        Capability::PromptCache => "prompt_cache",
        Capability::Streaming => "streaming",
        Capability::Seed => "seed",
        Capability::Candidates => "candidates",
    }
}

impl fmt::Display for CapabilitySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, capability) in self.iter().enumerate() {
            let gap = if at == 0 { "" } else { ", " };
            write!(f, "{gap}{}", name_of(capability))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_capability_has_a_bit_and_its_serde_name() {
        let mut names = std::collections::BTreeSet::new();
        for capability in ALL {
            let set = CapabilitySet::from_iter([capability]);
            assert_eq!(set.iter().collect::<Vec<_>>(), [capability]);
            assert_eq!(serde_json::to_value(capability).unwrap(), set.to_string());
            assert!(names.insert(set.to_string()));
        }
    }
}
