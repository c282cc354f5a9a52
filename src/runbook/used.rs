//! Steps that use another runbook.

use std::ops::Range;
use std::sync::Arc;

use super::books::Books;
use super::expr::Scope;
use super::params::params_type;
use super::read::{Fields, Reader};
use super::yaml::{Node, Yaml};
use super::{Kind, Runbook};
use crate::model::types::Type;

impl Reader {
    /// Loads the runbook that a step uses, ahead of reading the step: expressions of any step may
    /// speak of what it saw.
    pub(super) fn load_used(&mut self, step: &Node, books: &mut Books<'_>) {
        let Yaml::Map(entries) = &step.value else {
            return;
        };
        let node = entries.iter().find(|(key, _)| key.name == "use").map(|(_, node)| node);
        if let Some(Node { value: Yaml::Text(name), span }) = node {
            let near = self.folder_at(span.start);
            self.used.insert(span.start, books.used(name, near.as_deref()));
        }
    }

    /// Reads what a step that uses another runbook gives it.
    pub(super) fn use_kind(
        &mut self,
        fields: Fields<'_>,
        scope: &Scope,
    ) -> Option<(Kind, Vec<Range<usize>>)> {
        let node = fields.find("use")?;
        let name = self.text(node, "`use`")?;
        let runbook: Arc<Runbook> = match self.used.get(&node.span.start)? {
            Ok(runbook) => Arc::clone(runbook),
            Err((code, message, help)) => {
                let (code, message, help) = (*code, message.clone(), help.clone());
                self.wrong(code, &node.span, message, help);
                return None;
            }
        };
        let Type::Record(params) = params_type(&runbook.params) else {
            return None;
        };
        let mut params = Arc::unwrap_or_clone(params);
        for (field, param) in params.fields.iter_mut().zip(&runbook.params) {
            field.default.clone_from(&param.default);
        }
        let with = self.arguments(fields.find("with"), (name, node), &params, scope);
        Some((Kind::Use { runbook, with }, Vec::new()))
    }
}
