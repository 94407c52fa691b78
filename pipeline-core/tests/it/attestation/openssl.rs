//! Keys and signatures of OpenSSL, and OpenSSL on ours: where it is installed.

use std::path::Path;
use std::process::Command;

use pipeline_core::attestation::{Algorithm, PrivateKey, PublicKey, Signer, Verifier};

use super::key;

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn openssl(folder: &Path, arguments: &str) -> Option<bool> {
    let arguments = arguments.split(' ');
    match Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
    {
        Ok(output) => Some(output.status.success()),
        Err(_) => {
            eprintln!("SKIPPED: there is no openssl");
            None
        }
    }
}

#[tokio::test]
async fn openssl_verifies_ours_and_we_verify_its() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let run = |arguments: &str| openssl(folder.path(), arguments);
    std::fs::write(at("message"), "hello").unwrap();
    for (algorithm, generate, raw) in [
        (Algorithm::Ed25519, "-algorithm ed25519", "-rawin"),
        (
            Algorithm::EcdsaP256,
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
            "-rawin -digest sha256",
        ),
    ] {
        let Some(made) = run(&format!("genpkey {generate} -out theirs-{algorithm}.pem")) else {
            return;
        };
        assert!(made);
        let theirs = PrivateKey::read(at(&format!("theirs-{algorithm}.pem"))).unwrap();
        assert_eq!(theirs.public().algorithm(), algorithm);
        assert!(
            run(&format!(
                "pkey -in theirs-{algorithm}.pem -pubout -out theirs.pub"
            ))
            .unwrap()
        );
        assert_eq!(
            std::fs::read_to_string(at("theirs.pub")).unwrap(),
            theirs.public().to_pem()
        );
        let sign = format!("pkeyutl -sign -inkey theirs-{algorithm}.pem {raw} -in message -out signature");
        assert!(run(&sign).unwrap());
        let signature = std::fs::read(at("signature")).unwrap();
        let public = PublicKey::read(at("theirs.pub")).unwrap();
        assert!(public.verify(b"hello", &signature));
        assert!(!public.verify(b"hullo", &signature));

        let ours = key(algorithm, 1);
        ours.write(at(&format!("ours-{algorithm}.pem"))).unwrap();
        std::fs::write(at("ours.pub"), ours.public().to_pem()).unwrap();
        std::fs::write(at("signature"), ours.sign(b"hello").await.unwrap().bytes).unwrap();
        assert!(run(&format!("pkey -in ours-{algorithm}.pem -pubout -out again.pub")).unwrap());
        assert_eq!(
            std::fs::read_to_string(at("again.pub")).unwrap(),
            ours.public().to_pem()
        );
        let verify = format!("pkeyutl -verify -pubin -inkey ours.pub {raw} -in message -sigfile signature");
        assert!(run(&verify).unwrap());
        std::fs::write(at("message"), "hullo").unwrap();
        assert!(!run(&verify).unwrap());
        std::fs::write(at("message"), "hello").unwrap();
    }
}
