//! The classic commands that runs are compared with.

use std::fmt;
use std::path::Path;

/// A classic command: its words.
pub(crate) struct Tool(pub(crate) Vec<&'static str>);

impl Tool {
    pub(crate) fn name(&self) -> &'static str {
        self.0[0]
    }

    pub(crate) fn is_installed(&self) -> bool {
        // Where `run` looks for commands.
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(self.name()).exists())
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
