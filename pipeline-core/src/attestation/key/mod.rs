//! Keys in files: private ones in PKCS#8, public ones as `SubjectPublicKeyInfo`, both in PEM.

mod algorithm;
mod error;
mod private;
mod public;

pub use algorithm::{Algorithm, AlgorithmParseError};
pub use error::KeyError;
pub use private::PrivateKey;
pub use public::PublicKey;
