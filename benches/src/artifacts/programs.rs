//! Programs that people would take for the same work, as they are installed here.

use std::path::Path;
use std::process::{Command, Stdio};

use super::ground::Ground;
use crate::Failure;
use crate::report::{Figure, Sink};

/// A program, and what the shell does to have it do the work. `$STORE` is its directory, `$TREE` what is packed,
/// `$LABEL` what it is called, `$OUT` an empty directory.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    program: &'static str,
    init: &'static str,
    ingest: &'static str,
    verify: Option<&'static str>,
    checkout: Option<&'static str>,
}

/// Objects are not compressed, all are flushed, in batches.
pub(super) const GIT: Program = Program {
    name: "git, flushed",
    program: "git",
    init: r#"git init -q --bare "$STORE" && git --git-dir="$STORE" config core.compression 0 &&
        git --git-dir="$STORE" config core.fsync all && git --git-dir="$STORE" config core.fsyncMethod batch &&
        git --git-dir="$STORE" config gc.auto 0 && git --git-dir="$STORE" config checkout.workers 2"#,
    ingest: r#"export GIT_DIR="$STORE" GIT_INDEX_FILE="$STORE/index-$LABEL"
        git --work-tree="$TREE" -C "$TREE" add -A .
        git update-ref "refs/heads/$LABEL" "$(git commit-tree -m "$LABEL" "$(git write-tree)")""#,
    verify: Some(r#"git --git-dir="$STORE" fsck --full --no-progress"#),
    checkout: Some(
        r#"GIT_INDEX_FILE="$STORE/index-out" git --git-dir="$STORE" --work-tree="$OUT" checkout -q -f "$LABEL" -- ."#,
    ),
};

/// It encrypts; compression is off, chunking is what it always does.
pub(super) const RESTIC: Program = Program {
    name: "restic",
    program: "restic",
    init: r#"restic -q --no-cache -r "$STORE" init"#,
    ingest: r#"restic -q --no-cache -r "$STORE" --compression off backup --tag "$LABEL" "$TREE""#,
    verify: Some(r#"restic -q --no-cache -r "$STORE" check --read-data"#),
    checkout: Some(r#"restic -q --no-cache -r "$STORE" restore latest --tag "$LABEL" --target "$OUT""#),
};

/// No encryption, no compression.
pub(super) const BORG: Program = Program {
    name: "borg",
    program: "borg",
    init: r#"borg init -e none "$STORE""#,
    ingest: r#"cd "$TREE" && borg create --compression none "$STORE::$LABEL" ."#,
    verify: Some(r#"borg check --verify-data "$STORE""#),
    checkout: Some(r#"cd "$OUT" && borg extract "$STORE::$LABEL""#),
};

/// It compresses.
pub(super) const CASYNC: Program = Program {
    name: "casync",
    program: "casync",
    init: "true",
    ingest: r#"casync make --without=privileged --store="$STORE/store.castr" "$STORE/$LABEL.caidx" "$TREE""#,
    verify: None,
    checkout: Some(
        r#"casync extract --without=privileged --store="$STORE/store.castr" "$STORE/$LABEL.caidx" "$OUT/tree""#,
    ),
};

/// A copy is not verified.
pub(super) const OSTREE: Program = Program {
    name: "ostree",
    program: "ostree",
    init: r#"ostree --repo="$STORE" init --mode=bare-user"#,
    ingest: r#"ostree --repo="$STORE" commit -b "$LABEL" --tree=dir="$TREE" --owner-uid=0 --owner-gid=0"#,
    verify: Some(r#"ostree --repo="$STORE" fsck -q"#),
    checkout: Some(r#"ostree --repo="$STORE" checkout -U --force-copy "$LABEL" "$OUT/tree""#),
};

/// The same store; neither copied nor verified.
pub(super) const OSTREE_LINKS: Program = Program {
    name: "ostree, hard links",
    checkout: Some(r#"ostree --repo="$STORE" checkout -U --require-hardlinks "$LABEL" "$OUT/tree""#),
    ..OSTREE
};

/// A tar that is hashed on its way into a file. (The `sha256sum` of some systems uses no SHA instructions.)
pub(super) const TAR: Program = Program {
    name: "tar, openssl, file",
    program: "tar",
    init: "command -v openssl",
    ingest: r#"tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$TREE" -cf - . |
        tee "$STORE/$LABEL.tar" | openssl dgst -sha256 > "$STORE/$LABEL.sha256""#,
    verify: None,
    checkout: Some(r#"tar -C "$OUT" -xf "$STORE/$LABEL.tar""#),
};

/// All but the tar.
pub(super) const STORES: [&Program; 5] = [&GIT, &RESTIC, &BORG, &CASYNC, &OSTREE];

impl Program {
    /// Whether it is installed; says so when it is not.
    pub(super) fn is_here(&self, sink: &mut dyn Sink) -> Result<bool, Failure> {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {}", self.program)])
            .output()?;
        if !found.status.success() {
            sink.figure(Figure::absent(format!(
                "{}: not installed, not compared",
                self.program
            )))?;
        }
        Ok(found.status.success())
    }

    /// Where its store lies, for some work.
    pub(super) fn place(&self, work: &str) -> String {
        format!("{work}-{}", self.program)
    }

    pub(super) fn can_verify(&self) -> bool {
        self.verify.is_some()
    }

    /// Makes a store where there is nothing.
    pub(super) fn init(&self, ground: &Ground, work: &str) -> Result<(), Failure> {
        let store = ground.empty(&self.place(work))?;
        self.shell(self.init, &store, "", Path::new("/"), Path::new("/"))
    }

    /// Puts a tree into its store.
    pub(super) fn ingest(
        &self,
        ground: &Ground,
        work: &str,
        label: &str,
        tree: &Path,
    ) -> Result<(), Failure> {
        self.shell(
            self.ingest,
            &ground.path(&self.place(work)),
            label,
            tree,
            Path::new("/"),
        )
    }

    /// Checks all bytes of its store.
    pub(super) fn verify(&self, ground: &Ground, work: &str) -> Result<(), Failure> {
        let script = self.verify.ok_or("it cannot verify")?;
        self.shell(
            script,
            &ground.path(&self.place(work)),
            "",
            Path::new("/"),
            Path::new("/"),
        )
    }

    /// Writes a tree out of its store.
    pub(super) fn checkout(
        &self,
        ground: &Ground,
        work: &str,
        label: &str,
        out: &Path,
    ) -> Result<(), Failure> {
        let script = self.checkout.ok_or("it cannot check out")?;
        self.shell(
            script,
            &ground.path(&self.place(work)),
            label,
            Path::new("/"),
            out,
        )
    }

    fn shell(&self, script: &str, store: &Path, label: &str, tree: &Path, out: &Path) -> Result<(), Failure> {
        let mut command = Command::new("sh");
        command
            .args(["-ec", script])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
            .env("STORE", store)
            .env("TREE", tree)
            .env("OUT", out)
            .env("LABEL", label);
        command.env("RESTIC_PASSWORD", "measured").env("LC_ALL", "C");
        for person in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{person}_NAME"), "figures")
                .env(format!("GIT_{person}_EMAIL"), "figures@localhost");
        }
        // What borg keeps beside its store lies on the same file system.
        command
            .env("BORG_BASE_DIR", store.with_extension("borg"))
            .env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
        let output = command.output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}: {}", self.name, output.status, said.trim()).into());
        }
        Ok(())
    }
}
