use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pipeline_artifacts::{Packed, Packer};
use proptest::prelude::*;

use crate::{Bench, Tree, shop, v};

/// What lies at a path of a tree.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    File(Vec<u8>, bool),
    Directory,
    Link(String),
}

/// A tree in memory: the model.
type Model = BTreeMap<String, Node>;

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-d]", "[a-d][-. ~]?[0-9]", "ü{1,60}", "x{90,120}"]
}

fn node() -> impl Strategy<Value = Node> {
    let bytes = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        1 => prop::collection::vec(any::<u8>(), 500..1100),
    ];
    prop_oneof![
        4 => (bytes, any::<bool>()).prop_map(|(bytes, executable)| Node::File(bytes, executable)),
        1 => Just(Node::Directory),
        1 => name().prop_map(Node::Link),
    ]
}

/// A tree: what is below a file or a link, or leads nowhere new, is dropped.
fn model() -> impl Strategy<Value = Model> {
    let path = prop::collection::vec(name(), 1..4);
    prop::collection::vec((path, node()), 0..12).prop_map(|nodes| {
        let mut model = Model::new();
        for (parts, node) in nodes {
            let mut path = String::new();
            let mut free = true;
            for part in &parts[..parts.len() - 1] {
                path = if path.is_empty() {
                    part.clone()
                } else {
                    format!("{path}/{part}")
                };
                free &= *model.entry(path.clone()).or_insert(Node::Directory) == Node::Directory;
                if !free {
                    break;
                }
            }
            if free {
                let last = &parts[parts.len() - 1];
                path = if path.is_empty() {
                    last.clone()
                } else {
                    format!("{path}/{last}")
                };
                model.entry(path).or_insert(node);
            }
        }
        model
    })
}

/// Writes a tree; `chance` decides everything that must not count.
fn write(model: &Model, root: &Path, chance: &mut TestChance) {
    fs::create_dir_all(root).unwrap();
    let mut nodes: Vec<_> = model.iter().collect();
    for at in (1..nodes.len()).rev() {
        nodes.swap(at, chance.below(at + 1));
    }
    let mut linked: Vec<(&Node, std::path::PathBuf)> = Vec::new();
    for (path, node) in nodes {
        let full = root.join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        match node {
            Node::Directory => fs::create_dir_all(&full).unwrap(),
            Node::Link(target) => symlink(target, &full).unwrap(),
            Node::File(bytes, executable) => {
                let twin = linked.iter().find(|(other, _)| *other == node);
                if let Some((_, twin)) = twin.filter(|_| chance.below(2) == 0) {
                    fs::hard_link(twin, &full).unwrap();
                    continue;
                }
                fs::write(&full, bytes).unwrap();
                let rest = [0o600, 0o640, 0o644, 0o666, 0o611][chance.below(5)];
                set_mode(&full, if *executable { rest | 0o100 } else { rest });
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(chance.below(2_000_000_000) as u64);
                File::open(&full).unwrap().set_modified(time).unwrap();
                linked.push((node, full));
            }
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Chance that comes from proptest, so that a failure repeats.
#[derive(Debug)]
struct TestChance(u64);

impl TestChance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Changes one thing.
fn mutate(model: &Model, chance: &mut TestChance) -> Model {
    let mut changed = model.clone();
    let keys: Vec<_> = model.keys().cloned().collect();
    if keys.is_empty() || chance.below(6) == 0 {
        changed.insert("new".to_owned(), Node::Directory);
        return changed;
    }
    let key = &keys[chance.below(keys.len())];
    let what = chance.below(5);
    match changed.get_mut(key).unwrap() {
        Node::File(bytes, _) if what == 0 => bytes.push(0),
        Node::File(bytes, _) if what == 1 && !bytes.is_empty() => {
            let at = chance.below(bytes.len());
            bytes[at] ^= 1 << chance.below(8);
        }
        Node::File(_, executable) if what == 2 => *executable = !*executable,
        Node::Link(target) if what < 3 => target.push('z'),
        Node::Directory => {
            changed.insert(format!("{key}/new"), Node::Directory);
        }
        _ if what == 3 => {
            changed.remove(key);
        }
        _ => {
            let node = changed.remove(key).unwrap();
            changed.insert(format!("{key}-moved"), node);
        }
    }
    changed
}

fn pack(bench: &Bench, name: &str, model: &Model, chance: u64) -> Packed {
    let tree = Tree(bench.path(name));
    write(model, &tree.0, &mut TestChance(chance));
    Packer::new(&tree.0).pack(&bench.store).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn content_alone_decides(model in model(), one: u64, two: u64) {
        let bench = Bench::new();
        let expected = pack(&bench, "one", &model, one);
        prop_assert_eq!(pack(&bench, "two", &model, two), expected);

        // Out and in again.
        let artifact = bench.store.publish(&shop(), &v("1.0.0"), &expected.digest).unwrap();
        let artifact = bench.store.artifact(&artifact).unwrap();
        let live = bench.path("live");
        artifact.write_to(&live).unwrap();
        prop_assert_eq!(Packer::new(&live).pack(&bench.store).unwrap(), expected);
        for (path, node) in &model {
            if let Node::File(bytes, _) = node {
                prop_assert_eq!(&artifact.file(path).unwrap(), bytes);
            }
        }
        let report = bench.store.verify().unwrap();
        prop_assert!(report.is_good(), "{}", report);
    }

    #[test]
    fn any_change_is_another_artifact(model in model(), chance: u64) {
        let bench = Bench::new();
        let other = mutate(&model, &mut TestChance(chance));
        prop_assert_ne!(&other, &model);
        let (one, two) = (pack(&bench, "one", &model, 0), pack(&bench, "two", &other, 0));
        prop_assert_ne!(one.digest, two.digest);
        prop_assert_ne!(one.tree, two.tree);
    }
}
