//! The configuration: TOML as written, the typed and checked form, and the plan made from it. Pure;
//! one `Config` per process, read-only once serving.

mod check;
mod checked;
mod error;
mod files;
mod follow;
mod lines;
mod lookups;
mod notes;
mod plan;
mod profile;
mod raw;
mod secret;
mod smpp;
mod status;
mod words;

pub use self::checked::{
    BindType, CarrierConfig, Config, CustomerConfig, Driver, LimitsConfig, LogFormat,
    NumbersConfig, OnUnknownOutcome, PortedConfig, RateKind, SenderConfig, ServerConfig,
    StoreConfig, WebhookConfig,
};
pub use self::error::{ConfigErrors, ConfigProblem};
pub use self::follow::{Changes, Followed};
pub use self::lines::line_of;
pub use self::lookups::{LookupFields, LookupsConfig};
pub use self::plan::{
    Bound, CALIBRATION_FORMAT, Calibration, CalibrationError, CarrierForecast, CarrierPlan,
    CoresForecast, CustomerPlan, DiskForecast, Forecast, MemoryPlan, Plan, PlannedLoad,
    PlannedLoadError, PortPlan, ShardPlan, TablesPlan,
};
pub use self::profile::{
    Addressing, AlphabetConfig, CarrierProfile, CarrierTls, CarrierTlv, Concatenation, Learn,
    OutbindConfig, ReceiptDetection, StatusReaction, TonNpi, ValidityForm,
};
pub use self::smpp::{CustomerSmpp, LongInbound, SmppConfig, SmppTls};
pub use self::words::Word;
pub use crate::route::{RouteConfig, RoutePrefix, RouteTarget};
