//! Commands as documents show them, and what they are said to write.

/// A command, and the lines that it is said to write.
#[derive(Debug)]
pub struct Shown {
    pub command: String,
    lines: Vec<String>,
}

impl Shown {
    pub fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            lines: Vec::new(),
        }
    }

    /// One more line: of the command, where it goes on, else of what it writes.
    pub fn push(&mut self, line: &str) {
        match self.command.strip_suffix('\\') {
            Some(begun) => self.command = format!("{begun}{}", line.trim_start()),
            None => self.lines.push(line.to_owned()),
        }
    }

    pub fn agrees(&self, said: &str) -> bool {
        let said: Vec<&str> = said.lines().map(str::trim_end).collect();
        let mut pairs = self.lines.iter().zip(&said);
        self.lines.len() == said.len() && pairs.all(|(shown, said)| agrees(shown, said))
    }
}

/// Whether a line is what is shown, where `…` stands for anything.
pub fn agrees(shown: &str, said: &str) -> bool {
    let Some((first, others)) = shown.split_once('…') else {
        return shown == said;
    };
    let Some(mut rest) = said.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = others.split('…').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}
