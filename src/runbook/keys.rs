//! The keys of runbooks and files of diagnoses, what they mean and what they take: for `explain`, for
//! the schema's hovers and completions. A test holds that the loader takes exactly these.

mod table;

pub use table::GROUPS;

/// A mapping of the format: which keys it may have.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Its name in the schema.
    pub id: &'static str,
    /// What it is called in messages: `a probe step`.
    pub what: &'static str,
    /// Its keys, in the order in which they are usually written.
    pub keys: &'static [Key],
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it means; the first sentence stands alone.
    pub doc: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// Whether it must be there.
    pub needed: bool,
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `1`.
    Format,
    /// Text.
    Text,
    /// Text with `{{ expression }}` holes.
    Template,
    /// An expression, true or false.
    Condition,
    /// A whole number, or one expression in a text.
    Int,
    /// A number.
    Number,
    /// `true`.
    True,
    /// A duration such as 300ms.
    Duration,
    /// A name: small letters, digits, underscores, and hyphens.
    Name,
    /// One of these words.
    Words(Words),
    /// A probe.
    Probe,
    /// A step's id.
    Step,
    /// A step's id, or healthy, inconclusive, as_used.
    End,
    /// A diagnosis, or healthy, inconclusive, as_used.
    Diagnosis,
    /// Values by name.
    Values,
    /// A list of these.
    List(&'static Shape),
    /// Names with these.
    Map(&'static Shape),
    /// One or a list of them.
    OneOrMore(&'static Shape),
    /// A mapping of this group.
    Group(&'static str),
    /// A step's id, an end, or a mapping of this group.
    Arm,
    /// A step of any kind.
    AnyStep,
    /// A parameter's default or bound: as its type.
    Scalar,
}

/// A closed list of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// Layers.
    Layer,
    /// Severities.
    Severity,
    /// Confidences.
    Confidence,
    /// Kinds of places.
    Place,
    /// Where a remedy is done.
    RemedyPlace,
    /// How a step counts.
    Status,
    /// Types of parameters.
    ParamType,
    /// What a question may ask for.
    Expects,
}

impl Words {
    /// Returns the words, each with what it means.
    pub fn all(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Words::Layer => &table::LAYERS,
            Words::Severity => &[
                ("info", "Worth knowing; nothing is broken."),
                ("warning", "Usable, but not as it should be: the verdict is degraded."),
                ("critical", "It does not work: the verdict is fault."),
            ],
            Words::Confidence => &[
                ("possible", "It fits, and so does something else."),
                ("likely", "Most of the evidence speaks for it."),
                ("confirmed", "The evidence leaves nothing else."),
            ],
            Words::Place => &[
                ("here", "This machine."),
                ("path", "At or behind the last hop that answered."),
                ("hop", "The box that spoke."),
                ("target", "The target."),
                ("resolver", "A name server."),
            ],
            Words::RemedyPlace => &[
                ("here", "On this machine."),
                ("target", "On the target."),
                ("network", "In the network between them."),
            ],
            Words::Status => &[
                ("pass", "In order."),
                ("warn", "Not as it should be."),
                ("fail", "Wrong."),
                ("unknown", "It could not be looked at."),
            ],
            Words::Expects => &[("server_report", "The report of a run on the server.")],
            Words::ParamType => &[
                ("int", "A whole number."),
                ("float", "A number."),
                ("bool", "true or false."),
                ("text", "Any text."),
                ("word", "One of the words under `values`."),
            ],
        }
    }
}

impl Group {
    /// Finds a group.
    pub fn find(id: &str) -> Option<&'static Group> {
        GROUPS.iter().find(|group| group.id == id)
    }

    /// Returns the names of its keys, in the order of the table.
    pub fn names(&self) -> Vec<&'static str> {
        self.keys.iter().map(|key| key.name).collect()
    }

    /// Finds a key of the group.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Shape {
    /// Says what it takes, in a few words.
    pub fn words(self) -> String {
        match self {
            Shape::Format => "1".to_owned(),
            Shape::Text => "text".to_owned(),
            Shape::Template => "text with {{ expressions }}".to_owned(),
            Shape::Condition => "a condition".to_owned(),
            Shape::Int => "a number or \"{{ expression }}\"".to_owned(),
            Shape::Number => "a number".to_owned(),
            Shape::True => "true".to_owned(),
            Shape::Duration => "a duration such as 300ms".to_owned(),
            Shape::Name => "a name".to_owned(),
            Shape::Words(words) => {
                let words: Vec<&str> = words.all().iter().map(|(word, _)| *word).collect();
                format!("one of {}", words.join(", "))
            }
            Shape::Probe => "a probe".to_owned(),
            Shape::Step => "a step".to_owned(),
            Shape::End => "a step, healthy or inconclusive".to_owned(),
            Shape::Diagnosis => "a diagnosis".to_owned(),
            Shape::Values => "values by name".to_owned(),
            Shape::List(of) => format!("a list; each: {}", of.words()),
            Shape::Map(of) => format!("a mapping of names; each: {}", of.words()),
            Shape::OneOrMore(of) => format!("{}, or a list of them", of.words()),
            Shape::Group(id) => Group::find(id).map_or(id, |group| group.what).to_owned(),
            Shape::Arm => "a step, an end, or where to go as a mapping".to_owned(),
            Shape::AnyStep => "a step's description".to_owned(),
            Shape::Scalar => "a value of the parameter's type".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::layer::Layer;

    #[test]
    fn every_layer_is_explained() {
        let names: Vec<&str> = Words::Layer.all().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, Layer::ALL.map(|layer| layer.name()));
    }

    #[test]
    fn every_key_has_a_doc_that_is_a_sentence_and_every_group_is_there() {
        fn check(shape: Shape) {
            match shape {
                Shape::Group(id) => assert!(Group::find(id).is_some(), "{id}"),
                Shape::List(of) | Shape::Map(of) | Shape::OneOrMore(of) => check(*of),
                _ => {}
            }
        }
        for group in GROUPS {
            for key in group.keys {
                assert!(key.doc.ends_with('.') && key.doc.len() > 10, "{}", key.name);
                check(key.shape);
            }
        }
    }
}
