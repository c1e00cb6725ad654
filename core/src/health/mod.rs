//! Whether carriers can be trusted with traffic: what each bind's answers and silence say of it, how
//! fast it comes back, how many connections may be begun at once, and whether receipts are credible.
//! Pure; one machine per bind, the turns and the suspicion one per process.

mod answers;
mod bind;
mod ramp;
mod suspicion;
mod turns;

pub use self::answers::AnswerTimes;
pub use self::bind::{BindHealth, Health, Step};
pub use self::ramp::Ramp;
pub use self::suspicion::Suspicion;
pub use self::turns::{ConnectTurns, Turn};
