mod origin;

pub use origin::Origin;
