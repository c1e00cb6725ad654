//! Checks of the sections of the process: `[server]`, `[store]`, `[limits]`, `[webhooks]`. Pure, lives
//! nowhere.

use std::path::PathBuf;
use std::time::Duration;

use super::tools::{address, choice, number, seconds};
use crate::config::checked::{LimitsConfig, ServerConfig, StoreConfig, WebhookConfig};
use crate::config::error::ConfigErrors;
use crate::config::raw::{RawLimits, RawServer, RawShards, RawStore, RawWebhooks};
use crate::limits;

const MIB: u64 = 1024 * 1024;

pub(super) fn server(e: &mut ConfigErrors, raw: RawServer) -> ServerConfig {
    if raw.data_dir.is_empty() {
        e.add("server.data_dir", "it is empty", "name a directory that this user may write to");
    }
    let shards = match raw.shards {
        RawShards::Auto => 0,
        RawShards::Count(count) => {
            number(e, "server.shards", count, 1..=i64::from(limits::MAX_SHARDS))
        }
    };
    ServerConfig {
        data_dir: PathBuf::from(raw.data_dir),
        shards,
        driver: choice(e, "server.driver", &raw.driver),
        listen: address(e, "server.listen", &raw.listen),
        admin_listen: address(e, "server.admin_listen", &raw.admin_listen),
        pin: raw.pin,
        spin: raw.spin,
        log_format: choice(e, "server.log_format", &raw.log_format),
    }
}

pub(super) fn store(e: &mut ConfigErrors, raw: &RawStore) -> StoreConfig {
    let range = |[least, _, most]: [u32; 3]| i64::from(least)..=i64::from(most);
    let mib: u64 = number(e, "store.segment_mib", raw.segment_mib, range(limits::SEGMENT_MIB));
    StoreConfig {
        segment_bytes: mib.saturating_mul(MIB),
        max_segments: number(e, "store.max_segments", raw.max_segments, range(limits::SEGMENTS)),
        retention: retention(e, raw.retention_hours),
        direct: raw.direct,
    }
}

/// `None`: as long as there is room.
fn retention(e: &mut ConfigErrors, hours: i64) -> Option<Duration> {
    let most = i64::try_from(limits::RETENTION_MAX.as_secs() / 3_600).unwrap_or(i64::MAX);
    let hours: u64 = number(e, "store.retention_hours", hours, 0..=most);
    (hours > 0).then(|| Duration::from_secs(hours * 3_600))
}

pub(super) fn limits_of(
    e: &mut ConfigErrors,
    raw: &RawLimits,
    store: &StoreConfig,
) -> LimitsConfig {
    let open = 1..=i64::from(limits::OPEN_MESSAGES_MAX);
    let [least, _, most] = limits::HOT_MESSAGES;
    let hot = i64::from(least)..=i64::from(most);
    LimitsConfig {
        open_messages: match raw.open_messages {
            Some(messages) => number(e, "limits.open_messages", messages, open),
            None => u32::try_from(store.open_messages_that_fit()).unwrap_or(u32::MAX),
        },
        hot_messages: number(e, "limits.hot_messages", raw.hot_messages, hot),
        park_after: limits::PARK_AFTER,
    }
}

pub(super) fn webhooks(e: &mut ConfigErrors, raw: &RawWebhooks) -> WebhookConfig {
    let most = limits::WEBHOOK_TIMEOUT_MAX;
    let connections = 1..=i64::from(limits::WEBHOOK_CONNECTIONS_PER_ENDPOINT);
    let at = "webhooks.connections_per_endpoint";
    WebhookConfig {
        allow_private: raw.allow_private,
        timeout: seconds(e, "webhooks.timeout_seconds", raw.timeout_seconds, most),
        connections_per_endpoint: number(e, at, raw.connections_per_endpoint, connections),
    }
}
