//! Keys: files, their rights, what is refused and how it is said.

use std::fs;

use pipeline_core::Digest;
use pipeline_core::attestation::{Algorithm, KeyError, PrivateKey, PublicKey, Signer, Verifier};

use super::key;

#[tokio::test]
async fn a_key_is_written_and_read_and_signs_as_before() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.to_string().parse::<Algorithm>().unwrap(), algorithm);
        let made = key(algorithm, 1);
        let path = folder.path().join(algorithm.to_string());
        made.write(&path).unwrap();
        let read = PrivateKey::read(&path).unwrap();
        assert_eq!(read.public(), made.public());
        assert_eq!(read.public().algorithm(), algorithm);
        let (one, two) = (
            made.sign(b"hello").await.unwrap(),
            read.sign(b"hello").await.unwrap(),
        );
        assert_eq!(one, two, "signatures are deterministic");
        assert_eq!(one.key_id, Some(made.public().key_id().to_string()));
        assert!(read.public().verify(b"hello", &one.bytes));
        assert!(!read.public().verify(b"hullo", &one.bytes));
        assert!(!key(algorithm, 2).public().verify(b"hello", &one.bytes));

        let again: PublicKey = made.public().to_pem().parse().unwrap();
        assert_eq!(&again, made.public());
        fs::write(folder.path().join("public"), made.public().to_pem()).unwrap();
        assert_eq!(
            &PublicKey::read(folder.path().join("public")).unwrap(),
            made.public()
        );

        // Nothing is lost by writing over it.
        let refused = key(algorithm, 2).write(&path).unwrap_err();
        assert!(matches!(refused, KeyError::Exists { .. }), "{refused}");
        assert_eq!(PrivateKey::read(&path).unwrap().public(), made.public());
    }
    assert!("rsa".parse::<Algorithm>().is_err());
}

#[test]
fn the_vector_of_ed25519_is_signed_alike() {
    // RFC 8032, section 7.1, test 1: the empty message. The head is that of RFC 8410, section 7.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    let key = PrivateKey::from_pem(pem).unwrap();
    let future = key.sign(b"");
    let signature = futures_ready(future).unwrap().bytes;
    let hex: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe\
         24655141438e7a100b"
    );
    let public = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    assert!(key.public().to_pem().contains(public));
    assert!(key.public().verify(b"", &signature));
}

/// Made with RFC 8032 by hand, by a holder of the private key: `R` is the neutral element, and `s` the product of the hash
/// and the secret number. A reader that is not strict takes it.
#[test]
fn a_signature_that_begins_at_nothing_is_none() {
    let pem = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\n\
        -----END PUBLIC KEY-----\n";
    let hex = "0100000000000000000000000000000000000000000000000000000000000000\
        e404f4e96e0b12dc6c3ec416ed1d5e91b66a37ca15a8b36c06938736133a2d0c";
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    let signature: Vec<u8> = (0..64).map(byte).collect();
    assert!(!PublicKey::from_pem(pem).unwrap().verify(b"message", &signature));
}

/// Drives a future that never waits.
fn futures_ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a key signs at once"),
    }
}

#[cfg(unix)]
#[test]
fn a_private_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ci.pem");
    key(Algorithm::Ed25519, 1).write(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for (mode, good) in [
        (0o400, true),
        (0o600, true),
        (0o700, true),
        (0o640, false),
        (0o604, false),
        (0o620, false),
        (0o602, false),
        (0o610, false),
        (0o644, false),
        (0o777, false),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        match PrivateKey::read(&path) {
            Ok(_) => assert!(good, "{mode:o} was taken"),
            Err(error) => {
                assert!(!good, "{mode:o}: {error}");
                let said = error.to_string();
                assert!(said.contains(&format!("mode {mode:03o}")), "{said}");
                assert!(said.contains(&format!("chmod 600 {}", path.display())), "{said}");
            }
        }
    }
}

#[test]
fn what_is_no_key_is_refused_without_saying_what_it_is() {
    let private = key(Algorithm::EcdsaP256, 1);
    let pem = private.to_pem().unwrap();
    let public = private.public().to_pem();
    let label = |label: &str| pem.replace("PRIVATE KEY", label);
    for (text, said) in [
        (
            String::new(),
            "expected PEM that begins with `-----BEGIN PRIVATE KEY-----`",
        ),
        (public.to_owned(), "it is `PUBLIC KEY`; expected `PRIVATE KEY`"),
        (label("ENCRYPTED PRIVATE KEY"), "it is encrypted"),
        (label("EC PRIVATE KEY"), "openssl pkcs8 -topk8 -nocrypt"),
        (label("OPENSSH PRIVATE KEY"), "it is `OPENSSH PRIVATE KEY`"),
        (pem[..pem.len() / 2].to_owned(), "it is damaged"),
        (pem.replacen("MIG", "MIH", 1), "it is damaged"),
    ] {
        let error = PrivateKey::from_pem(&text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}; expected {said}");
        for line in pem.lines().filter(|line| !line.starts_with('-')) {
            assert!(
                !error.contains(&line[..line.len().min(8)]),
                "the error tells the key"
            );
        }
    }
    assert!(
        PublicKey::from_pem(&pem)
            .unwrap_err()
            .to_string()
            .contains("it is `PRIVATE KEY`")
    );
    // RSA, which is not among ours, and a key of ed25519 that takes signatures by anybody: the point of order one.
    for other in [
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==",
        "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ] {
        let lines: Vec<_> = other.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        );
        let error = PublicKey::from_pem(&pem).unwrap_err().to_string();
        assert!(error.contains("neither ed25519 nor ECDSA over P-256"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        PrivateKey::read(folder.path()),
        Err(KeyError::NoKey { .. } | KeyError::Exposed { .. })
    ));
    let missing = PrivateKey::read(folder.path().join("x")).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read key `"), "{missing}");
    fs::write(folder.path().join("y"), "hello").unwrap();
    let error = PublicKey::read(folder.path().join("y")).unwrap_err().to_string();
    assert!(error.contains("y` is no key: expected PEM"), "{error}");
}

#[test]
fn a_private_key_does_not_show_itself() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm, 1);
        let shown = format!("{key:?}");
        assert_eq!(shown, format!("PrivateKey({})", key.public().key_id()));
        assert_ne!(
            key.public().key_id(),
            Digest::of(key.to_pem().unwrap().as_bytes())
        );
    }
}
