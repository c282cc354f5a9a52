//! Answers that are given beforehand: `--answer step=choice`.

use crate::cli::nearest::suggestion;
use crate::cli::usage::{Usage, quoted};
use crate::engine::Reply;
use crate::engine::ask::{questions, reply};
use crate::runbook::Runbook;

/// Checks the answers against the runbook's questions, before anything is sent.
pub(super) fn check(
    runbook: &Runbook,
    answers: &[(String, String)],
) -> Result<Vec<(String, Reply)>, Usage> {
    let asked = questions(runbook);
    let mut checked: Vec<(String, Reply)> = Vec::with_capacity(answers.len());
    for (step, choice) in answers {
        let Some(question) = asked.iter().find(|question| question.key == *step) else {
            let help = match asked.is_empty() {
                true => "leave --answer out".to_owned(),
                false => suggestion(step, asked.iter().map(|question| question.key.as_str())),
            };
            let name = &runbook.name;
            return Err(
                Usage::new(format!("runbook {name} has no question {}", quoted(step))).help(help)
            );
        };
        if !question.choices.contains(choice) {
            let known = question.choices.iter().map(String::as_str);
            return Err(Usage::new(format!(
                "the question {step} has no answer {}",
                quoted(choice)
            ))
            .help(suggestion(choice, known)));
        }
        if checked.iter().any(|(known, _)| known == step) {
            return Err(Usage::new(format!("--answer answers {step} twice"))
                .help("give each question one answer"));
        }
        checked.push((step.clone(), reply(choice)));
    }
    Ok(checked)
}
