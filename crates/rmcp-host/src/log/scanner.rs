//! Finds the known messages in a log of any size.
//!
//! Bound: one pass of an Aho-Corasick automaton over the bytes, which sees every fixed text of every
//! signature at once; regular expressions run only on the few lines around a hit. Memory is one block, the
//! automaton and at most [`MAX_LINES`] line numbers per signature, whatever the log's size.

use crate::log::pasted::PastedReader;
use crate::log::window::{REACH_BYTES, Window, line_at, printable, window};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::{Regex, RegexBuilder};
use rmcp_knowledge::Knowledge;
use rmcp_knowledge::schema::{Mention, Signature, VendorName};
use rmcp_model::{LogFacts, LogMatch};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::OnceLock;

/// Bytes read at a time: long enough that the carried-over part is a small share, short enough to stay in
/// the second-level cache of the processors of the last ten years.
const BLOCK_BYTES: usize = 512 << 10;

/// Lines kept of one signature. The first ones tell the story; a crash loop prints the same for ever.
const MAX_LINES: usize = 32;

/// Hits of a signature that its expression may refuse before it is tried on the line of the hit alone, without
/// those below it. A log that says `RuntimeError:` on every line costs a short look at each, and nothing is
/// passed over but messages that are torn as well.
const MAX_REFUSALS: u32 = 1024;

/// Longest excerpt in characters.
const MAX_EXCERPT: usize = 240;

/// Longest field in characters.
const MAX_FIELD: usize = 200;

/// Inputs at least this long are worth the construction of the fast automaton (a few milliseconds).
const DFA_FROM_BYTES: u64 = 1 << 20;

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The log could not be read to its end.
    #[error("reading failed after {bytes} bytes: {source}")]
    Io {
        /// Bytes read before.
        bytes: u64,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is a compressed file.
    #[error(
        "this is a {what} file; expected text (decompress it first, for instance `{with} FILE | rmcp explain -`)"
    )]
    Compressed {
        /// Format.
        what: &'static str,
        /// Command that decompresses it.
        with: &'static str,
    },
    /// A signature's expression does not compile.
    #[error("signature {id}: {what}")]
    Pattern {
        /// Its id.
        id: String,
        /// What the compiler of expressions said.
        what: String,
    },
}

/// The signatures, ready to be looked for. Expressions are compiled when their first needle is found.
#[derive(Debug)]
pub struct LogScanner<'k> {
    signatures: Vec<Compiled<'k>>,
    mentions: &'k [Mention],
    mention_expressions: OnceLock<Result<Vec<Regex>, (String, String)>>,
    needles: Vec<String>,
    /// For each needle, what it leads to.
    owners: Vec<Vec<Owner>>,
    small: OnceLock<AhoCorasick>,
    large: OnceLock<AhoCorasick>,
}

/// What a needle leads to.
#[derive(Debug, Clone, Copy)]
enum Owner {
    /// The signature of that index.
    Signature(usize),
    /// The text speaks of a GPU of this maker.
    Vendor(VendorName),
}

#[derive(Debug)]
struct Compiled<'k> {
    row: &'k Signature,
    expressions: OnceLock<Result<Expressions, String>>,
}

#[derive(Debug)]
struct Expressions {
    pattern: Regex,
    unless: Option<Regex>,
    extract: Vec<Regex>,
}

/// What is known of one signature while a log is read.
#[derive(Default)]
struct Progress {
    found: Option<LogMatch>,
    refusals: u32,
    /// End of the line that matched last. A line is counted once, and one of a gigabyte must not cost an
    /// expression for each of its words.
    covered_to: u64,
}

impl<'k> LogScanner<'k> {
    /// Prepares the signatures of `knowledge`.
    pub fn new(knowledge: &'k Knowledge) -> Self {
        let mut needles: Vec<String> = Vec::new();
        let mut owners: Vec<Vec<Owner>> = Vec::new();
        let mut by_needle = BTreeMap::new();
        let signatures = knowledge.signature.iter().enumerate().flat_map(|(index, signature)| {
            signature.needles.iter().map(move |needle| (needle, Owner::Signature(index)))
        });
        let vendors = knowledge.vendor.iter().flat_map(|vendor| {
            vendor.words.iter().map(move |word| (word, Owner::Vendor(vendor.name)))
        });
        for (needle, owner) in signatures.chain(vendors) {
            let needle = needle.to_ascii_lowercase();
            let slot = *by_needle.entry(needle.clone()).or_insert_with(|| {
                needles.push(needle);
                owners.push(Vec::new());
                owners.len() - 1
            });
            owners[slot].push(owner);
        }
        let signatures = knowledge
            .signature
            .iter()
            .map(|row| Compiled { row, expressions: OnceLock::new() })
            .collect();
        Self {
            signatures,
            mentions: &knowledge.mention,
            mention_expressions: OnceLock::new(),
            needles,
            owners,
            small: OnceLock::new(),
            large: OnceLock::new(),
        }
    }

    /// Compiles every expression now.
    ///
    /// # Errors
    /// [`ScanError::Pattern`] for the first that does not compile.
    pub fn check(&self) -> Result<(), ScanError> {
        self.mention_expressions()?;
        self.signatures.iter().try_for_each(|signature| signature.expressions().map(|_| ()))
    }

    fn mention_expressions(&self) -> Result<&[Regex], ScanError> {
        let compile_one = |mention: &Mention| {
            compile(&mention.pattern).map_err(|error| (mention.id.clone(), error.to_string()))
        };
        let compiled = self
            .mention_expressions
            .get_or_init(|| self.mentions.iter().map(compile_one).collect());
        compiled
            .as_deref()
            .map_err(|(id, what)| ScanError::Pattern { id: id.clone(), what: what.clone() })
    }

    /// Returns whether a text only mentions a message.
    fn is_mention(&self, window: &Window) -> Result<bool, ScanError> {
        let expressions = self.mention_expressions()?;
        Ok(self.mentions.iter().zip(expressions).any(|(mention, expression)| {
            let text = if mention.all_lines { &window.joined } else { &window.line };
            expression.is_match(text.as_bytes())
        }))
    }

    fn automaton(&self, large: bool) -> &AhoCorasick {
        let (slot, kind) = if large {
            (&self.large, AhoCorasickKind::DFA)
        } else {
            (&self.small, AhoCorasickKind::NoncontiguousNFA)
        };
        slot.get_or_init(|| {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(Some(kind))
                .build(&self.needles)
                .expect("some hundred short needles fit any automaton")
        })
    }

    /// Reads a log to its end.
    ///
    /// `size` is its length where it is known: long logs get a faster automaton that takes longer to build.
    ///
    /// # Errors
    /// [`ScanError`] when it cannot be read, or is a compressed file.
    pub fn scan(&self, input: impl Read, size: Option<u64>) -> Result<LogFacts, ScanError> {
        let automaton = self.automaton(size.is_none_or(|size| size >= DFA_FROM_BYTES));
        let mut text = TextReader::new(input)?;
        let mut scan = Scan {
            scanner: self,
            progress: self.signatures.iter().map(|_| Progress::default()).collect(),
            facts: LogFacts::default(),
            of_amd: false,
            of_nvidia: false,
            pasted: PastedReader::default(),
        };
        // buffer[..done] has been searched and is kept for windows that reach back.
        let mut buffer = Vec::with_capacity(BLOCK_BYTES + 4 * REACH_BYTES);
        let mut done = 0;
        loop {
            let ended = text
                .fill(&mut buffer, BLOCK_BYTES)
                .map_err(|source| ScanError::Io { bytes: scan.facts.bytes, source })?;
            let limit = if ended {
                buffer.len()
            } else {
                buffer.len().saturating_sub(REACH_BYTES).max(done)
            };
            scan.search(automaton, &buffer, done, limit)?;
            if ended {
                break;
            }
            let keep = limit.saturating_sub(REACH_BYTES);
            buffer.drain(..keep);
            done = limit - keep;
        }
        Ok(scan.finish(buffer.last().copied()))
    }
}

/// One log being read.
struct Scan<'s, 'k> {
    scanner: &'s LogScanner<'k>,
    progress: Vec<Progress>,
    facts: LogFacts,
    of_amd: bool,
    of_nvidia: bool,
    pasted: PastedReader,
}

impl Scan<'_, '_> {
    /// Searches `buffer[from..to]`; hits there may look at all of `buffer`.
    fn search(
        &mut self,
        automaton: &AhoCorasick,
        buffer: &[u8],
        from: usize,
        to: usize,
    ) -> Result<(), ScanError> {
        let base = self.facts.bytes;
        let mut lines = self.facts.lines;
        let mut counted = from;
        // A needle may end behind `to`; hits are taken where they begin, so that each is taken once.
        let reach = buffer.len().min(to + 256);
        for hit in automaton.find_overlapping_iter(&buffer[from..reach]) {
            let at = from + hit.start();
            if at >= to {
                continue;
            }
            let pattern = hit.pattern().as_usize();
            for &owner in &self.scanner.owners[pattern] {
                let index = match owner {
                    Owner::Signature(index) => index,
                    Owner::Vendor(VendorName::Amd) => {
                        self.of_amd = true;
                        continue;
                    }
                    Owner::Vendor(VendorName::Nvidia) => {
                        self.of_nvidia = true;
                        continue;
                    }
                };
                if !self.is_due(index, base + (at - from) as u64) {
                    continue;
                }
                let row = self.scanner.signatures[index].row;
                let tired = self.progress[index].refusals >= MAX_REFUSALS;
                if tired {
                    let expressions = self.scanner.signatures[index].expressions()?;
                    if !expressions.pattern.is_match(line_at(buffer, at)) {
                        continue;
                    }
                }
                let window = window(buffer, at, if tired { 1 } else { row.lines });
                if at > counted {
                    lines += memchr::memchr_iter(b'\n', &buffer[counted..at]).count() as u64;
                    counted = at;
                }
                // Overlapping hits come in the order of their ends, so this one may begin before the last.
                let back = if at < counted {
                    memchr::memchr_iter(b'\n', &buffer[at..counted]).count() as u64
                } else {
                    0
                };
                let offset = base + (window.start.max(from) - from) as u64;
                self.try_signature(
                    index,
                    &window,
                    lines - back + 1,
                    offset,
                    base + (window.line_end - from) as u64,
                )?;
            }
        }
        lines += memchr::memchr_iter(b'\n', &buffer[counted..to]).count() as u64;
        self.pasted.read(&buffer[from..to], self.facts.lines);
        self.facts.lines = lines;
        self.facts.bytes += (to - from) as u64;
        Ok(())
    }

    /// Returns whether the signature is still to be looked for at this offset.
    fn is_due(&mut self, index: usize, offset: u64) -> bool {
        let progress = &mut self.progress[index];
        if progress.found.as_ref().is_some_and(|found| found.lines.len() >= MAX_LINES)
            || offset < progress.covered_to
        {
            return false;
        }
        true
    }

    fn try_signature(
        &mut self,
        index: usize,
        window: &Window,
        line: u64,
        offset: u64,
        line_end: u64,
    ) -> Result<(), ScanError> {
        let signature = &self.scanner.signatures[index];
        let expressions = signature.expressions()?;
        let progress = &mut self.progress[index];
        let matches = |text: &&str| {
            let text = text.as_bytes();
            expressions.pattern.is_match(text)
                && !expressions.unless.as_ref().is_some_and(|unless| unless.is_match(text))
        };
        let Some(text) = window.texts().find(matches) else {
            progress.refusals += 1;
            return Ok(());
        };
        if self.scanner.is_mention(window)? {
            progress.refusals += 1;
            return Ok(());
        }
        progress.covered_to = line_end;
        let found = progress.found.get_or_insert_with(|| LogMatch {
            signature: signature.row.id.clone(),
            kind: signature.row.kind,
            lines: Vec::new(),
            offset,
            excerpt: excerpt(window, text, &expressions.pattern),
            fields: BTreeMap::new(),
        });
        if found.lines.last() != Some(&line) {
            found.lines.push(line);
        }
        for expression in &expressions.extract {
            if let Some(captures) =
                window.texts().find_map(|text| expression.captures(text.as_bytes()))
            {
                for name in expression.capture_names().flatten() {
                    if let Some(value) = captures.name(name).filter(|value| !value.is_empty()) {
                        found.fields.entry(name.to_owned()).or_insert_with(|| {
                            printable(&String::from_utf8_lossy(value.as_bytes()), MAX_FIELD)
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, last_byte: Option<u8>) -> LogFacts {
        // A last line without a newline is a line.
        if self.facts.bytes > 0 && last_byte != Some(b'\n') {
            self.facts.lines += 1;
        }
        let mut matches: Vec<LogMatch> =
            self.progress.into_iter().filter_map(|progress| progress.found).collect();
        let on_amd = self.of_amd && !self.of_nvidia;
        let rows: BTreeMap<&str, &Signature> =
            self.scanner.signatures.iter().map(|known| (&*known.row.id, known.row)).collect();
        matches.retain(|found| on_amd || !rows[&*found.signature].only_on_amd);
        for found in &mut matches {
            found.lines.sort_unstable();
            if let Some(kind) = rows[&*found.signature].kind_on_amd.filter(|_| on_amd) {
                found.kind = kind;
            }
        }
        matches.sort_by(|a, b| (a.offset, &a.signature).cmp(&(b.offset, &b.signature)));
        self.facts.matches = matches;
        self.facts.pasted = self.pasted.finish();
        self.facts
    }
}

impl Compiled<'_> {
    fn expressions(&self) -> Result<&Expressions, ScanError> {
        let compile = |text: &String| compile(text).map_err(|error| error.to_string());
        let compiled = self.expressions.get_or_init(|| {
            Ok(Expressions {
                pattern: compile(&self.row.pattern)?,
                unless: self.row.unless.as_ref().map(compile).transpose()?,
                extract: self.row.extract.iter().map(compile).collect::<Result<_, _>>()?,
            })
        });
        compiled
            .as_ref()
            .map_err(|what| ScanError::Pattern { id: self.row.id.clone(), what: what.clone() })
    }
}

/// Compiles an expression. Case and classes are those of ASCII, in which all messages are written: with
/// Unicode's tables most of the time of a short run would go into this function.
fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).unicode(false).build()
}

/// Returns the part of the text around the match: of the one line where it stands whole in that.
fn excerpt(window: &Window, text: &str, pattern: &Regex) -> String {
    let text = if pattern.is_match(window.line.as_bytes()) { &window.line } else { text };
    let start = pattern.find(text.as_bytes()).map_or(0, |found| found.start());
    // Some context in front: which device, which time.
    let mut from = start.saturating_sub(60);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    printable(if from < 40 { text } else { &text[from..] }, MAX_EXCERPT)
}

/// Gives UTF-8 from a log that may be UTF-16, which PowerShell's `>` writes.
struct TextReader<R> {
    input: R,
    pending: Vec<u8>,
    decoder: Option<encoding_rs::Decoder>,
}

impl<R: Read> TextReader<R> {
    fn new(mut input: R) -> Result<Self, ScanError> {
        let mut head = [0; 4];
        let mut filled = 0;
        while filled < head.len() {
            match input.read(&mut head[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ScanError::Io { bytes: 0, source }),
            }
        }
        match head {
            [0x1f, 0x8b, ..] => return Err(ScanError::Compressed { what: "gzip", with: "zcat" }),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                return Err(ScanError::Compressed { what: "zstd", with: "zstdcat" });
            }
            [0xfd, b'7', b'z', b'X'] => {
                return Err(ScanError::Compressed { what: "xz", with: "xzcat" });
            }
            _ => {}
        }
        let utf16 = match head {
            [0xff, 0xfe, ..] => Some(encoding_rs::UTF_16LE),
            [0xfe, 0xff, ..] => Some(encoding_rs::UTF_16BE),
            _ => None,
        };
        Ok(Self {
            input,
            pending: head[..filled].to_vec(),
            decoder: utf16.map(encoding_rs::Encoding::new_decoder),
        })
    }

    /// Appends about `wanted` bytes to `buffer`; returns whether the input has ended.
    fn fill(&mut self, buffer: &mut Vec<u8>, wanted: usize) -> std::io::Result<bool> {
        let mut block = (&mut self.input).take(wanted as u64);
        let Some(decoder) = &mut self.decoder else {
            buffer.append(&mut self.pending);
            return Ok(block.read_to_end(buffer)? < wanted);
        };
        let mut raw = std::mem::take(&mut self.pending);
        let ended = block.read_to_end(&mut raw)? < wanted;
        let mut text = String::with_capacity(raw.len() * 3 + 16);
        // Replaces what is damaged; with three bytes for every one the text cannot outgrow its room.
        let _ = decoder.decode_to_string(&raw, &mut text, ended);
        buffer.extend_from_slice(text.as_bytes());
        Ok(ended)
    }
}
