//! The closed table of what is counted: each variant with the name, label and help of its series.
//! Pure data, lives nowhere. Names follow Prometheus: base units, `_total` put on by the encoder.

/// How one variant is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// The family's name, without `_total`.
    pub family: &'static str,
    /// What tells it from the family's others.
    pub label: Option<(&'static str, &'static str)>,
    /// The family's help: said by its first variant, empty for the others.
    pub help: &'static str,
}

/// Declares an enum of what is counted, and its table. A family's variants stand together.
macro_rules! series {
    ($(#[$outer:meta])* $name:ident {
        $($(#[$doc:meta])* $variant:ident
            = $family:literal $([$key:literal = $value:literal])? $(, $help:literal)?;)*
    }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every variant, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name, label and help under which it is exported.
            #[must_use]
            pub const fn series(self) -> Series {
                match self {
                    $(Self::$variant => Series {
                        family: concat!("postrider_", $family),
                        label: label!($($key, $value)?),
                        help: help!($($help)?),
                    },)*
                }
            }
        }
    };
}

macro_rules! label {
    () => {
        None
    };
    ($key:literal, $value:literal) => {
        Some(($key, $value))
    };
}

macro_rules! help {
    () => {
        ""
    };
    ($help:literal) => {
        $help
    };
}

series! {
    /// Numbers that only grow, from 0 at start.
    Counter {
        /// Requests of customers read from their connections.
        HttpRequests = "http_requests",
            "Requests of customers read from their connections.";
        /// Messages accepted: durable, and acknowledged with 202.
        Accepted = "messages_accepted",
            "Messages accepted: durable, and acknowledged with 202.";
        /// Messages accepted over HTTP.
        AcceptedOverHttp = "messages_accepted_by_origin" ["origin" = "http"],
            "Messages accepted, by how they came in.";
        /// Messages accepted over SMPP.
        AcceptedOverSmpp = "messages_accepted_by_origin" ["origin" = "smpp"];
        /// Parts of the messages accepted.
        AcceptedParts = "parts_accepted",
            "Parts of the messages accepted.";
        /// Parts handed to carriers, resends included.
        PartsSubmitted = "parts_submitted",
            "Parts handed to carriers, resends included.";
        /// Times that a part waited for its sender's rate.
        PartsWaitedForSender = "parts_waited_for_sender",
            "Times that a part waited for its sender's rate.";
        /// Parts handed to a bind of another shard.
        PartsCrossed = "parts_crossed",
            "Parts handed to a bind of another shard.";
        /// Parts that came back unsent, since their credit was for a connection that is gone.
        CreditsStale = "credits_void" ["reason" = "stale"],
            "Credits for binds of other shards that no part was sent by.";
        /// Credits given back unused.
        CreditsUnused = "credits_void" ["reason" = "unused"];
        /// Answers that accepted a part.
        PartsAccepted = "part_responses" ["outcome" = "accepted"],
            "Answers of carriers to submitted parts.";
        /// Answers that refused a part.
        PartsRefused = "part_responses" ["outcome" = "refused"];
        /// Answers that asked to slow down.
        PartsThrottled = "part_responses" ["outcome" = "throttled"];
        /// Rounds in which every carrier left refused a message for a while: it rests, then all are asked again.
        RetryRounds = "retry_rounds",
            "Rounds in which every carrier left refused a message for a while.";
        /// Answers that blame our profile of the carrier, or the protocol.
        ProfileFaults = "profile_faults",
            "Answers that blame our profile of the carrier, or the protocol.";
        /// Parts submitted whose answer was lost with its bind or did not come in time.
        PartsOutcomeUnknown = "parts_outcome_unknown",
            "Parts submitted whose answer was lost with its bind or did not come in time.";
        /// Parts submitted again after an unknown outcome: each may reach the handset twice.
        PartsResubmitted = "parts_resubmitted",
            "Parts submitted again after an unknown outcome: each may reach the handset twice.";
        /// Receipts that told a part its final status.
        ReceiptsMatched = "receipts" ["outcome" = "matched"],
            "Receipts from carriers by what became of them.";
        /// Receipts that said again what was known.
        ReceiptsDuplicate = "receipts" ["outcome" = "duplicate"];
        /// Receipts that contradicted a final status, which stays.
        ReceiptsLate = "receipts" ["outcome" = "late"];
        /// Receipts of an interim state.
        ReceiptsIntermediate = "receipts" ["outcome" = "intermediate"];
        /// Receipts given up: no part matched within five minutes.
        ReceiptsOrphaned = "receipts" ["outcome" = "orphaned"];
        /// Receipts answered with a refusal, for the carrier to send again.
        ReceiptsRefused = "receipts" ["outcome" = "refused"];
        /// Receipts whose part was found without its id.
        ReceiptsInferred = "receipts_inferred",
            "Receipts whose part was found by reference, or by sender, recipient and time.";
        /// Receipts handed to the shard that owns the number.
        ReceiptsForwarded = "receipts_forwarded",
            "Receipts handed to the shard that owns the number.";
        /// Contents discarded once their messages were final.
        ContentsDiscarded = "contents_discarded",
            "Contents that were not to be kept, discarded once their messages were final.";
        /// Open messages whose contents were not to be kept, and not found at a start.
        ContentsLost = "contents_lost",
            "Open messages whose contents were not to be kept, and could not be read at a start.";
        /// Receipts that matched no part and wait to be tried again.
        ReceiptsParked = "receipts_parked",
            "Receipts that matched no part and wait to be tried again.";
        /// Messages and fragments from handsets made durable, and answered so.
        InboundAccepted = "inbound" ["outcome" = "accepted"],
            "Messages and fragments from handsets by what their carrier was answered.";
        /// Those that their carrier had sent before.
        InboundRepeated = "inbound" ["outcome" = "repeated"];
        /// Those to a number that no customer has; refused for good.
        InboundUnowned = "inbound" ["outcome" = "unowned"];
        /// Those without room, for the carrier to send again.
        InboundRefused = "inbound" ["outcome" = "refused"];
        /// Messages from handsets that were let go without all their fragments.
        InboundPartial = "inbound_partial",
            "Messages from handsets that were let go without all their fragments.";
        /// Messages from handsets that their customer took.
        InboundDelivered = "inbound_finished" ["outcome" = "delivered"],
            "Messages from handsets by how they ended.";
        /// Messages from handsets given up: refused for good, or offered for too long.
        InboundGivenUp = "inbound_finished" ["outcome" = "given_up"];
        /// Messages finally delivered.
        MessagesDelivered = "messages_finished" ["status" = "delivered"],
            "Messages that reached their final status.";
        /// Messages finally undelivered.
        MessagesUndelivered = "messages_finished" ["status" = "undelivered"];
        /// Messages finally expired.
        MessagesExpired = "messages_finished" ["status" = "expired"];
        /// Messages finally rejected.
        MessagesRejected = "messages_finished" ["status" = "rejected"];
        /// Messages finally failed.
        MessagesFailed = "messages_finished" ["status" = "failed"];
        /// Messages finally canceled.
        MessagesCanceled = "messages_finished" ["status" = "canceled"];
        /// Messages finally unknown.
        MessagesUnknown = "messages_finished" ["status" = "unknown"];
        /// Messages of which sender, recipient and text were forgotten.
        MessagesRedacted = "messages_redacted",
            "Messages of which sender, recipient and text were forgotten.";
        /// Open messages that left memory.
        MessagesParked = "messages_parked",
            "Open messages that left memory until something happens to them.";
        /// Open messages that were read back from the disk.
        MessagesWoken = "messages_woken",
            "Open messages that were read back from the disk.";
        /// Webhook requests sent.
        WebhookAttempts = "webhook_attempts",
            "Webhook requests sent.";
        /// Webhooks acknowledged by the customer.
        WebhookAcknowledged = "webhook_outcomes" ["outcome" = "acknowledged"],
            "What came of webhook requests.";
        /// Webhook attempts that failed and will be repeated.
        WebhookRetries = "webhook_outcomes" ["outcome" = "retried"];
        /// Webhooks given up.
        WebhookGivenUp = "webhook_outcomes" ["outcome" = "given_up"];
        /// Receipts that a customer's bind took.
        CustomerReceiptsDelivered = "customer_receipts" ["outcome" = "delivered"],
            "Receipts owed to customers over SMPP by how they ended.";
        /// Receipts given up: refused for good, or offered for too long.
        CustomerReceiptsGivenUp = "customer_receipts" ["outcome" = "given_up"];
        /// Times that a receipt or inbound message was not taken and is offered again.
        DeliveriesAgain = "customer_deliveries_again",
            "Times that a receipt or inbound message was not taken by its customer and is offered again.";
        /// Requests sent to other shards.
        MeshRequests = "mesh_requests",
            "Requests sent to other shards.";
        /// Requests not sent because the lane to the other shard had no slot.
        MeshRefused = "mesh_refused",
            "Requests not sent because the lane to the other shard had no slot.";
        /// Requests refused as `overloaded`.
        RefusedOverloaded = "requests_refused" ["code" = "overloaded"],
            "Requests of customers refused.";
        /// Requests refused as `storage_full`.
        RefusedStorageFull = "requests_refused" ["code" = "storage_full"];
        /// Requests refused as `shutting_down`.
        RefusedShuttingDown = "requests_refused" ["code" = "shutting_down"];
        /// Requests refused as `unauthorized`.
        RefusedUnauthorized = "requests_refused" ["code" = "unauthorized"];
        /// Requests refused as `invalid`.
        RefusedInvalid = "requests_refused" ["code" = "invalid"];
        /// Requests refused as `no_route`.
        RefusedNoRoute = "requests_refused" ["code" = "no_route"];
        /// Requests refused as `number_not_valid`.
        RefusedNumber = "requests_refused" ["code" = "number_not_valid"];
        /// Requests refused as `recipient_opted_out`.
        RefusedOptedOut = "requests_refused" ["code" = "recipient_opted_out"];
        /// Submissions refused as `rate_limited`, over HTTP or SMPP.
        RefusedRateLimited = "requests_refused" ["code" = "rate_limited"];
        /// Requests refused as `not_found`.
        RefusedNotFound = "requests_refused" ["code" = "not_found"];
        /// Numbers that customers had looked up.
        LookUps = "lookups",
            "Numbers that customers had looked up.";
        /// Queries sent to the provider of look-ups.
        LookupQueries = "lookup_queries",
            "Queries sent to the provider of look-ups.";
        /// Look-ups that the provider answered.
        LookupsAnswered = "lookups_live" ["outcome" = "answered"],
            "Look-ups by a provider, by what came of them.";
        /// Those that an earlier answer served.
        LookupsFromCache = "lookups_live" ["outcome" = "cached"];
        /// Those without an answer in time.
        LookupsTimedOut = "lookups_live" ["outcome" = "timeout"];
        /// Those whose answer could not be had or read.
        LookupsFailed = "lookups_live" ["outcome" = "failed"];
        /// Those for which a provider that failed lately was not asked.
        LookupsSuspended = "lookups_live" ["outcome" = "suspended"];
        /// Those that did not get their turn.
        LookupsBusy = "lookups_live" ["outcome" = "busy"];
        /// Binds opened.
        BindsOpened = "bind_events" ["event" = "opened"],
            "Binds that opened, were refused by the carrier, or were lost.";
        /// Bind requests refused by the carrier.
        BindsRefused = "bind_events" ["event" = "refused"];
        /// Outbinds with other credentials than agreed.
        OutbindsRefused = "bind_events" ["event" = "outbind_refused"];
        /// Binds lost after they were open.
        BindsLost = "bind_events" ["event" = "lost"];
        /// PDUs from carriers that broke the protocol in a way that is tolerated.
        PduOddities = "pdu_oddities",
            "PDUs from carriers that broke the protocol in a way that is tolerated.";
        /// Batches made durable in the log.
        Commits = "commits",
            "Batches made durable in the log.";
        /// Octets of the batches made durable.
        CommitBytes = "commit_written_bytes",
            "Octets of the batches made durable.";
        /// Records made durable.
        CommitRecords = "commit_records",
            "Records made durable.";
        /// Times that a batch waited because no segment was ready.
        LogStarved = "log_starved",
            "Times that a batch waited because no segment was ready.";
        /// Turns of the loop that ended with work left: the core is saturated.
        TurnBudgetSpent = "turn_budget_spent",
            "Turns of the loop that ended with work left: the core is saturated.";
        /// Wake-ups of the shard by another shard.
        Wakeups = "wakeups",
            "Wake-ups of the shard by another shard.";
        /// Processor time of the shard's thread.
        CpuMicros = "shard_cpu_seconds",
            "Processor time of the shard's thread.";
        /// Time spent spinning for messages of other shards.
        SpinMicros = "spin_seconds",
            "Time spent spinning for messages of other shards.";
        /// Connections of customers accepted.
        HttpConnections = "http_connections",
            "Connections of customers accepted.";
        /// Connections of customers closed at once because the limit was reached.
        HttpConnectionsRefused = "http_connections_refused",
            "Connections of customers closed at once because the limit was reached.";
        /// Connections of customers to the SMPP server.
        CustomerConnections = "customer_connections",
            "Connections of customers to the SMPP server.";
        /// Those closed at once because a limit was reached or the gateway is stopping.
        CustomerConnectionsRefused = "customer_connections_refused",
            "Connections to the SMPP server closed at once: a limit, or a stop.";
        /// Those closed because the customer sent and did not read.
        CustomerConnectionsOverrun = "customer_connections_overrun",
            "Connections closed because the customer sent and did not read.";
        /// Binds of customers opened.
        CustomerBindsOpened = "customer_bind_events" ["event" = "opened"],
            "Binds of customers: opened, refused for their credentials, refused as too many.";
        /// Binds refused for their credentials.
        CustomerLoginsFailed = "customer_bind_events" ["event" = "login_failed"];
        /// Binds refused because the customer has as many as it may.
        CustomerBindsRefused = "customer_bind_events" ["event" = "too_many"];
        /// Submissions over SMPP answered ESME_ROK: durable.
        CustomerSubmitsAccepted = "customer_submits" ["status" = "accepted"],
            "Submissions over SMPP by the answer that customers got.";
        /// Submissions beyond the rate, or to a shard that is too busy.
        CustomerSubmitsThrottled = "customer_submits" ["status" = "throttled"];
        /// Submissions refused for want of room to store them.
        CustomerSubmitsQueueFull = "customer_submits" ["status" = "queue_full"];
        /// Submissions refused by a gateway that stops, or for a fault of its own.
        CustomerSubmitsFailed = "customer_submits" ["status" = "failed"];
        /// Submissions with a sender that is none.
        CustomerSubmitsBadSource = "customer_submits" ["status" = "bad_source"];
        /// Submissions to a number that is none, or that no carrier serves.
        CustomerSubmitsBadDestination = "customer_submits" ["status" = "bad_destination"];
        /// Submissions with another fault.
        CustomerSubmitsInvalid = "customer_submits" ["status" = "invalid"];
        /// query_sm, cancel_sm and replace_sm answered ESME_ROK.
        CustomerOperationsDone = "customer_operations" ["status" = "done"],
            "query_sm, cancel_sm and replace_sm by the answer that customers got.";
        /// query_sm, cancel_sm and replace_sm refused.
        CustomerOperationsRefused = "customer_operations" ["status" = "refused"];
        /// Reads from the disk.
        Reads = "reads", "Reads from the disk.";
        /// Look-ups that met something on the disk that cannot be read.
        ReadsDamaged = "reads_damaged",
            "Look-ups that met something on the disk that cannot be read.";
        /// Checkpoints written.
        Checkpoints = "checkpoints" ["outcome" = "written"],
            "Checkpoints, which bound how much of the log a start reads.";
        /// Those that could not be written; another one is tried soon.
        CheckpointsFailed = "checkpoints" ["outcome" = "failed"];
        /// PDUs from customers that broke the protocol in a way that is tolerated.
        CustomerPduOddities = "customer_pdu_oddities",
            "PDUs from customers that broke the protocol in a way that is tolerated.";
    }
}

series! {
    /// Numbers that rise and fall.
    Gauge {
        /// The configuration that the shard goes by.
        ConfigGeneration = "config_generation", "Which configuration of the process the shard goes by, from 1.";
        /// Messages without a final status.
        OpenMessages = "open_messages", "Messages without a final status.";
        /// Messages in memory: open, and on their way out.
        MessagesInMemory = "messages_in_memory", "Messages in memory: open, and on their way out.";
        /// Registers of messages.
        Registers = "registers", "Registers of messages, each of one stretch of the log.";
        /// Reads from the disk under way.
        ReadsInFlight = "reads_in_flight", "Reads from the disk under way.";
        /// Answers of the provider of look-ups that are kept.
        LookupsCached = "lookups_cached", "Answers of the provider of look-ups that are kept.";
        /// Whether the provider of look-ups is left alone because it failed.
        LookupsSuspended = "lookups_suspended", "1 while the provider of look-ups is left alone because it failed.";
        /// Parts that wait for a carrier.
        QueuedParts = "queued_parts", "Parts that wait for a carrier.";
        /// Parts submitted whose answer is awaited.
        InFlightParts = "in_flight_parts", "Parts submitted whose answer is awaited.";
        /// Webhooks not yet acknowledged.
        WebhookBacklog = "webhook_backlog", "Webhooks not yet acknowledged.";
        /// Contents held that are not kept.
        Contents = "contents", "Contents held that are not kept.";
        /// Octets of those.
        ContentOctets = "content_bytes", "Octets of contents held that are not kept.";
        /// Receipts parked until their part is known.
        OrphansParked = "orphans_parked", "Receipts parked until their part is known.";
        /// Receipts and inbound messages in memory that customers' binds are owed.
        DeliveriesWaiting = "customer_deliveries_waiting",
            "Receipts and inbound messages in memory that customers' binds are owed.";
        /// Fragments of messages from handsets that wait for siblings or for their customer.
        InboundHeld = "inbound_held",
            "Fragments of messages from handsets that wait for siblings or for their customer.";
        /// Those on a bind without an answer.
        DeliveriesInFlight = "customer_deliveries_in_flight",
            "Receipts and inbound messages on customers' binds whose answer is awaited.";
        /// Segments of the log in use.
        LogSegments = "log_segments", "Segments of the log in use.";
        /// Octets of the log that may still be written.
        LogBytesFree = "log_free_bytes", "Octets of the log that may still be written.";
        /// HTTP connections of customers.
        HttpConnectionsOpen = "http_connections_open", "HTTP connections of customers.";
        /// Connections to the SMPP server.
        CustomerConnectionsOpen = "customer_connections_open", "Connections to the SMPP server.";
        /// Binds of customers.
        CustomerBinds = "customer_binds", "Binds of customers.";
        /// Segments of the log that the start reads.
        ReplaySegments = "replay_segments", "Segments of the log that the start reads.";
        /// Those read so far.
        ReplaySegmentsRead = "replay_segments_read", "Segments that the start has read so far.";
        /// Records that the start has read so far.
        ReplayRecords = "replay_records", "Records that the start has read so far.";
        /// Octets of the log that the start has read so far.
        ReplayBytes = "replay_bytes", "Octets of the log that the start has read so far.";
        /// 1 when the shard takes requests.
        Ready = "shard_ready", "1 when the shard takes requests.";
    }
}

series! {
    /// Distributions.
    Histogram {
        /// Time of one turn of the shard's loop.
        Turn = "turn_seconds", "Time of one turn of the shard's loop.";
        /// Time to make a batch durable.
        Commit = "commit_seconds", "Time to make a batch durable.";
        /// Time of one read from the disk.
        Read = "read_seconds", "Time of one read from the disk.";
        /// Size of a batch.
        CommitBytes = "commit_batch_bytes", "Size of a batch.";
        /// Time from a request read to its 202 written.
        Accept = "accept_seconds", "Time from a request read to its 202 written.";
        /// Time from acceptance to the first submit_sm.
        AcceptToSubmit = "accept_to_submit_seconds", "Time from acceptance to the first submit_sm.";
        /// Time from submit_sm to its answer.
        SubmitResponse = "submit_response_seconds", "Time from submit_sm to its answer.";
        /// Time of one webhook request.
        Webhook = "webhook_seconds", "Time of one webhook request.";
        /// Time of one query to the provider of look-ups.
        LookupQuery = "lookup_query_seconds", "Time of one query to the provider of look-ups.";
    }
}

impl Counter {
    /// By how much the count is divided to give the family's unit.
    #[must_use]
    pub const fn per_unit(self) -> u64 {
        if matches!(self, Self::SpinMicros | Self::CpuMicros) { 1_000_000 } else { 1 }
    }
}

impl Histogram {
    /// Whether it holds durations (kept in nanoseconds, exported in seconds) or octets.
    #[must_use]
    pub const fn is_duration(self) -> bool {
        !matches!(self, Self::CommitBytes)
    }

    /// The first bucket's bound: a microsecond in nanoseconds, or 512 octets.
    pub(super) const fn base(self) -> u64 {
        if self.is_duration() { 1_000 } else { 512 }
    }

    /// Buckets with a bound: to 67 s, or to 2 MiB.
    pub(super) const fn bounds(self) -> u32 {
        if self.is_duration() { 53 } else { 25 }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check(all: Vec<Series>, families: &mut BTreeSet<&'static str>) {
        let mut before = "";
        let mut labels = BTreeSet::new();
        for series in all {
            let first = series.family != before;
            assert!(!first || families.insert(series.family), "{} is split", series.family);
            assert_eq!(
                first,
                !series.help.is_empty(),
                "{}: the first says the help",
                series.family
            );
            assert!(first || series.label.is_some(), "{} needs a label", series.family);
            assert!(labels.insert((series.family, series.label)), "{series:?} twice");
            before = series.family;
        }
    }

    #[test]
    fn every_series_has_its_own_name_and_every_family_one_help() {
        let mut families = BTreeSet::new();
        check(Counter::ALL.iter().map(|it| it.series()).collect(), &mut families);
        check(Gauge::ALL.iter().map(|it| it.series()).collect(), &mut families);
        check(Histogram::ALL.iter().map(|it| it.series()).collect(), &mut families);
    }

    #[test]
    fn variants_are_numbered_from_zero_in_the_order_of_all() {
        assert!(Counter::ALL.iter().enumerate().all(|(at, it)| *it as usize == at));
        assert!(Gauge::ALL.iter().enumerate().all(|(at, it)| *it as usize == at));
        assert!(Histogram::ALL.iter().enumerate().all(|(at, it)| *it as usize == at));
    }
}
