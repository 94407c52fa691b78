//! What a process asked of the file system, as `strace` wrote it down.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Bench;

/// Where the parent tells the child what to do: script, directory of the test.
pub(crate) const TASK: &str = "PIPELINE_ARTIFACTS_TEST_CRASH";
/// The file that the child says in what is done.
pub(crate) const SAID: &str = "said";

/// A file or directory, whatever its names.
pub(super) type Inode = usize;
/// The directory of the test.
pub(super) const ROOT: Inode = 0;

/// Something that changes a disk, or makes sure of it.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Link {
        directory: Inode,
        name: String,
        inode: Inode,
    },
    Unlink {
        directory: Inode,
        name: String,
    },
    Rename {
        from: (Inode, String),
        to: (Inode, String),
        inode: Inode,
    },
    Write {
        inode: Inode,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        inode: Inode,
        size: usize,
    },
    /// Covers what was done to a file or to the names of a directory before event number `after`.
    Sync {
        inode: Inode,
        after: usize,
    },
    /// Covers everything that was done before event number `after`.
    SyncAll {
        after: usize,
    },
    /// The child says that something is done.
    Said(String),
}

impl Event {
    /// The directory whose names it changes.
    pub(super) fn directory(&self) -> Option<Inode> {
        match self {
            Self::Link { directory, .. } | Self::Unlink { directory, .. } => Some(*directory),
            Self::Rename { to, .. } => Some(to.0),
            _ => None,
        }
    }

    /// The file whose bytes it changes.
    pub(super) fn file(&self) -> Option<Inode> {
        match self {
            Self::Write { inode, .. } | Self::Truncate { inode, .. } => Some(*inode),
            _ => None,
        }
    }

    pub(super) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync { .. } | Self::SyncAll { .. })
    }
}

/// All that a process did below the directory of the test, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) events: Vec<Event>,
    pub(super) directories: BTreeSet<Inode>,
    /// What a symbolic link leads to.
    pub(super) links: BTreeMap<Inode, String>,
}

const CALLS: &str = "openat,open,creat,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,splice,ftruncate,\
    truncate,fallocate,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,symlink,symlinkat,\
    fsync,fdatasync,syncfs,sync,close,dup,dup2,dup3,fcntl,ioctl,lseek";

/// Runs a child that follows a script, and records it; `None` when it cannot be done here, which is said.
pub(super) fn record(bench: &Bench, script: &str) -> Option<Record> {
    let (trace, said) = (bench.path("trace"), bench.path(SAID));
    let _ = fs::remove_file(&said);
    let mut reader = Reader::begin(bench.dir.path());
    let mut command = Command::new("strace");
    // Whole strings, and only what was done: calls that failed changed nothing.
    command.args([
        "-f",
        "-qq",
        "-y",
        "-s",
        "40000000",
        "-e",
        "signal=none",
        "-e",
        &format!("trace={CALLS}"),
    ]);
    command
        .arg("-o")
        .arg(&trace)
        .arg(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::script::child", "--ignored", "--test-threads=1"]);
    command.env(TASK, format!("{script}:{}", bench.dir.path().display()));
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            crate::skipped("strace is not installed");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("PTRACE") || errors.contains("Operation not permitted") {
        crate::skipped(&format!("this system allows no tracing: {errors}"));
        return None;
    }
    assert!(
        output.status.success(),
        "{errors}\n{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let text = fs::read(&trace).unwrap();
    for line in String::from_utf8_lossy(&text).lines() {
        reader.line(line);
    }
    Some(reader.record)
}

/// An open file: which, and where the next byte goes.
#[derive(Debug, Clone)]
struct Open {
    inode: Inode,
    offset: usize,
    append: bool,
}

struct Reader {
    root: String,
    record: Record,
    /// The names of each directory.
    names: HashMap<Inode, BTreeMap<String, Inode>>,
    sizes: HashMap<Inode, usize>,
    open: HashMap<u32, Open>,
    next: Inode,
    /// Calls that began and have not returned: their text, and how many events there were when they began.
    begun: HashMap<String, (String, usize)>,
    said: Option<Inode>,
}

impl Reader {
    /// What is there already is flushed.
    fn begin(root: &Path) -> Self {
        let mut reader = Self {
            root: root.to_str().unwrap().to_owned(),
            record: Record::default(),
            names: HashMap::new(),
            sizes: HashMap::new(),
            open: HashMap::new(),
            next: 1,
            begun: HashMap::new(),
            said: None,
        };
        reader.record.directories.insert(ROOT);
        reader.there(root, ROOT);
        let after = reader.record.events.len();
        reader.record.events.push(Event::SyncAll { after });
        reader
    }

    fn there(&mut self, path: &Path, directory: Inode) {
        let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|file| file.unwrap()).collect();
        files.sort_by_key(|file| file.file_name());
        for file in files {
            let name = file.file_name().into_string().unwrap();
            // Only the store is on the disk that is lost.
            if directory == ROOT && name != "store" {
                continue;
            }
            let kind = file.file_type().unwrap();
            let inode = self.make(directory, &name, kind.is_dir());
            if kind.is_symlink() {
                let target = fs::read_link(file.path()).unwrap();
                self.record
                    .links
                    .insert(inode, target.to_str().unwrap().to_owned());
            } else if kind.is_dir() {
                self.there(&file.path(), inode);
            } else {
                self.write(inode, 0, fs::read(file.path()).unwrap());
            }
        }
    }

    fn make(&mut self, directory: Inode, name: &str, is_directory: bool) -> Inode {
        let inode = self.next;
        self.next += 1;
        if is_directory {
            self.record.directories.insert(inode);
        }
        self.link(directory, name, inode);
        inode
    }

    fn link(&mut self, directory: Inode, name: &str, inode: Inode) {
        self.names
            .entry(directory)
            .or_default()
            .insert(name.to_owned(), inode);
        let name = name.to_owned();
        self.record.events.push(Event::Link {
            directory,
            name,
            inode,
        });
    }

    fn write(&mut self, inode: Inode, offset: usize, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let size = self.sizes.entry(inode).or_default();
        *size = (*size).max(offset + bytes.len());
        self.record.events.push(Event::Write { inode, offset, bytes });
    }

    /// One line: `PID CALL(ARGUMENTS) = RESULT`, or the first or second half of one.
    fn line(&mut self, line: &str) {
        let (pid, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            let now = self.record.events.len();
            self.begun.insert(pid.to_owned(), (begun.to_owned(), now));
            return;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once("resumed>").unwrap();
            if let Some((begun, since)) = self.begun.remove(pid) {
                self.call(&format!("{begun}{end}"), since);
            }
            return;
        }
        if rest.starts_with("+++") || rest.starts_with("---") {
            return;
        }
        self.call(rest, self.record.events.len());
    }

    fn call(&mut self, text: &str, since: usize) {
        let Some((name, rest)) = text.split_once('(') else {
            return;
        };
        let Some(at) = rest.rfind(") = ") else {
            // strace pads short calls: `close(3)       = 0`.
            let Some(at) = rest.rfind(" = ") else { return };
            let arguments = rest[..at].trim_end().trim_end_matches(')');
            return self.done(name, arguments, &rest[at + 3..], since, text);
        };
        self.done(name, &rest[..at], &rest[at + 4..], since, text);
    }

    fn done(&mut self, call: &str, arguments: &str, result: &str, since: usize, text: &str) {
        if result.starts_with('-') || result.starts_with('?') {
            return;
        }
        let arguments = split(arguments);
        let number = |at: usize| {
            arguments[at]
                .parse::<usize>()
                .unwrap_or_else(|_| panic!("{text:.200}"))
        };
        let returned: u32 = result.split(['<', ' ']).next().unwrap().parse().unwrap_or(0);
        match call {
            "openat" | "open" | "creat" => {
                let base = usize::from(call == "openat");
                let path = self.path(&arguments, 0, base == 1);
                let flags = arguments
                    .get(base + 1)
                    .map_or("O_CREAT|O_TRUNC", |flags| &**flags);
                self.opened(path.as_deref(), flags, returned);
            }
            "close" => {
                self.open.remove(&descriptor(&arguments[0]));
            }
            "dup" | "dup2" | "dup3" => self.duplicate(&arguments[0], returned),
            "fcntl" if arguments[1].starts_with("F_DUPFD") => self.duplicate(&arguments[0], returned),
            "fcntl" => {}
            "lseek" => {
                if let Some(open) = self.open.get_mut(&descriptor(&arguments[0])) {
                    open.offset = result.split(' ').next().unwrap().parse().unwrap();
                }
            }
            "write" | "pwrite64" => {
                let Some(open) = self.open.get(&descriptor(&arguments[0])).cloned() else {
                    return;
                };
                let mut bytes = unescape(&arguments[1]).unwrap_or_else(|| panic!("{text:.200}"));
                bytes.truncate(returned as usize);
                self.written(
                    descriptor(&arguments[0]),
                    &open,
                    (call == "pwrite64").then(|| number(3)),
                    bytes,
                );
            }
            "writev" | "pwritev" | "pwritev2" => {
                let Some(open) = self.open.get(&descriptor(&arguments[0])).cloned() else {
                    return;
                };
                let mut bytes = vectors(&arguments[1]);
                bytes.truncate(returned as usize);
                self.written(
                    descriptor(&arguments[0]),
                    &open,
                    (call != "writev").then(|| number(3)),
                    bytes,
                );
            }
            "ftruncate" => {
                if let Some(open) = self.open.get(&descriptor(&arguments[0])) {
                    let (inode, size) = (open.inode, number(1));
                    self.sizes.insert(inode, size);
                    self.record.events.push(Event::Truncate { inode, size });
                }
            }
            "fallocate" => {
                // It may only keep space ready.
                let kept = arguments[1].contains("FALLOC_FL_KEEP_SIZE");
                if let Some(open) = self.open.get(&descriptor(&arguments[0])).filter(|_| !kept) {
                    let (inode, size) = (open.inode, number(2) + number(3));
                    if self.sizes.get(&inode).is_none_or(|now| *now < size) {
                        self.sizes.insert(inode, size);
                        self.record.events.push(Event::Truncate { inode, size });
                    }
                }
            }
            "fsync" | "fdatasync" => {
                if let Some(open) = self.open.get(&descriptor(&arguments[0])) {
                    let inode = open.inode;
                    self.record.events.push(Event::Sync { inode, after: since });
                }
            }
            "syncfs" | "sync" => self.record.events.push(Event::SyncAll { after: since }),
            "mkdir" | "mkdirat" => {
                if let Some((directory, name)) = self
                    .path(&arguments, 0, call == "mkdirat")
                    .and_then(|path| self.place(&path))
                {
                    self.make(directory, &name, true);
                }
            }
            "symlink" | "symlinkat" => {
                let target = unescape(&arguments[0]).unwrap();
                let path = self.path(&arguments, 1, call == "symlinkat");
                if let Some((directory, name)) = path.and_then(|path| self.place(&path)) {
                    let inode = self.make(directory, &name, false);
                    self.record
                        .links
                        .insert(inode, String::from_utf8(target).unwrap());
                }
            }
            "unlink" | "unlinkat" | "rmdir" => {
                if let Some((directory, name)) = self
                    .path(&arguments, 0, call == "unlinkat")
                    .and_then(|path| self.place(&path))
                {
                    self.names.entry(directory).or_default().remove(&name);
                    self.record.events.push(Event::Unlink { directory, name });
                }
            }
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                let at = call.contains("at");
                let (from, to) = (
                    self.path(&arguments, 0, at),
                    self.path(&arguments, if at { 2 } else { 1 }, at),
                );
                let both = (
                    from.and_then(|path| self.place(&path)),
                    to.and_then(|path| self.place(&path)),
                );
                let (Some(from), Some(to)) = both else { return };
                let exchange = arguments
                    .last()
                    .is_some_and(|flags| flags.contains("RENAME_EXCHANGE"));
                assert!(!exchange, "the recorder does not know {text:.200}");
                let inode = self.names[&from.0][&from.1];
                if call.starts_with("link") {
                    return self.link(to.0, &to.1, inode);
                }
                self.names.entry(from.0).or_default().remove(&from.1);
                self.names.entry(to.0).or_default().insert(to.1.clone(), inode);
                self.record.events.push(Event::Rename { from, to, inode });
            }
            "ioctl" if !text.contains("CLONE") => {}
            // Whatever else changes a file of the store: nobody has taught the recorder yet.
            _ => assert!(
                !text.contains(&self.root),
                "the recorder does not know {text:.200}"
            ),
        }
    }

    fn written(&mut self, descriptor: u32, open: &Open, offset: Option<usize>, bytes: Vec<u8>) {
        if self.said == Some(open.inode) {
            let line = String::from_utf8(bytes).unwrap().trim_end().to_owned();
            self.record.events.push(Event::Said(line));
            return;
        }
        let end = self.sizes.get(&open.inode).copied().unwrap_or(0);
        let at = offset.unwrap_or(if open.append { end } else { open.offset });
        if offset.is_none()
            && let Some(open) = self.open.get_mut(&descriptor)
        {
            open.offset = at + bytes.len();
        }
        self.write(open.inode, at, bytes);
    }

    fn opened(&mut self, path: Option<&str>, flags: &str, descriptor: u32) {
        self.open.remove(&descriptor);
        let Some(path) = path else { return };
        let inode = match self.inode(path) {
            Some(inode) => inode,
            None => {
                let Some((directory, name)) = self.place(path) else {
                    return;
                };
                if !flags.contains("O_CREAT") {
                    return; // something beside the store, that was there
                }
                if directory == ROOT && name == SAID {
                    let inode = self.next;
                    self.next += 1;
                    self.names.entry(ROOT).or_default().insert(name, inode);
                    self.said = Some(inode);
                    inode
                } else {
                    self.make(directory, &name, false)
                }
            }
        };
        if flags.contains("O_TRUNC") && self.sizes.get(&inode).is_some_and(|size| *size > 0) {
            self.sizes.insert(inode, 0);
            self.record.events.push(Event::Truncate { inode, size: 0 });
        }
        let append = flags.contains("O_APPEND");
        self.open.insert(
            descriptor,
            Open {
                inode,
                offset: 0,
                append,
            },
        );
    }

    fn duplicate(&mut self, from: &str, to: u32) {
        if let Some(open) = self.open.get(&descriptor(from)).cloned() {
            self.open.insert(to, open);
        }
    }

    /// The path of a call, made absolute.
    fn path(&self, arguments: &[String], at: usize, has_directory: bool) -> Option<String> {
        let bytes = unescape(&arguments[at + usize::from(has_directory)])?;
        let path = String::from_utf8(bytes).ok()?;
        if path.starts_with('/') {
            return Some(path);
        }
        // `AT_FDCWD</where>` or `3</where>`.
        let (_, directory) = arguments.get(at).filter(|_| has_directory)?.split_once('<')?;
        Some(format!("{}/{path}", directory.trim_end_matches('>')))
    }

    fn parts<'a>(&self, path: &'a str) -> Option<Vec<&'a str>> {
        let below = path.strip_prefix(&*self.root)?;
        Some(
            below
                .split('/')
                .filter(|part| !matches!(*part, "" | "."))
                .collect(),
        )
    }

    fn walk(&self, parts: &[&str]) -> Option<Inode> {
        parts
            .iter()
            .try_fold(ROOT, |at, part| self.names.get(&at)?.get(*part).copied())
    }

    fn inode(&self, path: &str) -> Option<Inode> {
        self.walk(&self.parts(path)?)
    }

    /// The directory and the name in it, when it lies below the directory of the test.
    fn place(&self, path: &str) -> Option<(Inode, String)> {
        let parts = self.parts(path)?;
        let (name, above) = parts.split_last()?;
        let directory = self.walk(above)?;
        // Beside the store lie the trees and what the test needs.
        let counts = directory != ROOT || *name == "store" || *name == SAID;
        counts.then(|| (directory, (*name).to_owned()))
    }
}

fn descriptor(text: &str) -> u32 {
    text.split('<').next().unwrap().parse().unwrap_or(u32::MAX)
}

/// Splits arguments at the commas that are in no string, bracket or brace.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_i32);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(text[from..at].trim().to_owned());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim().to_owned());
    parts
}

/// The bytes of a string as strace writes it, which must not be cut short.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&kind, after) = rest.split_first()?;
        rest = after;
        bytes.push(match kind {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'v' => 0x0b,
            b'f' => 0x0c,
            b'0'..=b'7' => {
                let mut value = u32::from(kind - b'0');
                for _ in 0..2 {
                    let Some((&digit @ b'0'..=b'7', after)) = rest.split_first() else {
                        break;
                    };
                    value = value * 8 + u32::from(digit - b'0');
                    rest = after;
                }
                u8::try_from(value).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

/// The bytes of `[{iov_base="…", iov_len=3}, …]`.
fn vectors(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in split(text.trim_start_matches('[').trim_end_matches(']')) {
        let inner = split(part.trim_start_matches('{').trim_end_matches('}'));
        let base = inner.iter().find_map(|field| field.strip_prefix("iov_base="));
        bytes.extend(unescape(base.unwrap()).unwrap());
    }
    bytes
}

#[test]
fn strings_are_read_as_strace_writes_them() {
    assert_eq!(unescape(r#""a\0\12\377\"\\\n""#).unwrap(), b"a\0\n\xff\"\\\n");
    assert_eq!(unescape(r#""cut"..."#), None);
    assert_eq!(
        split(r#"3</a>, "x, y", [{a, b}], O_A|O_B"#),
        ["3</a>", r#""x, y""#, "[{a, b}]", "O_A|O_B"]
    );
    assert_eq!(
        vectors(r#"[{iov_base="ab", iov_len=2}, {iov_base="\1", iov_len=1}]"#),
        b"ab\x01"
    );
}
