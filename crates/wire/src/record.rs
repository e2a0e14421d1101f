//! Records: what the journal holds. One record is one batch of commands, with the
//! instant the batch was stamped with; an empty one is a tick.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format version: 1 |
//! | 2 | node that wrote it |
//! | 8 | the node's own sequence number |
//! | 8 | instant, milliseconds since 1970 |
//! | 4 | number of commands |
//! | ... | the commands, one after the other |
//!
//! A command is one byte, its tag, with the highest bit set if a command id follows
//! (16 bytes; id 0 is not written), then the fields in the order of the table in this
//! module's source (`bodies!`). Tags are stable forever; a tag is never used again.
//!
//! | tags | commands |
//! |---|---|
//! | 1-4 | `Upgrade` `AckEffects` `TakeLease` `Checkpoint` |
//! | 10-19 | `CreateRoom` `ScheduleRoom` `DrawRoom` `PauseRoom` `ResumeRoom` `CloseRoom` `SetPace` `ReportHealth` `SetNotices` `SetAgentShare` |
//! | 20-24 | `Join` `JoinAs` `Enter` `Leave` `EnterByAgent` |
//! | 30-37 | `CreateCampaign` `SetRules` `SetWindows` `SetQuota` `PauseCampaign` `ResumeCampaign` `CloseCampaign`, `CreateCampaign` with reminders |
//! | 40-48 | `AddClinic` `AddDesk` `AddSlots` `SetCapacity` `SetWithdrawn` `CheckIn` `MarkNoShow` `WalkIn` `OfferLeftover` |
//! | 50-59 | `Hold` `Confirm` `Cancel` `Reschedule` `KeepContact` `DropContact` `Standby` `StandDown` `HoldFor` `EndProxy` |
//!
//! Commands that came with a later version of the rules ([`jari_core::rules`]) are in no record
//! before that version counts, so a build that does not know them never has to read them.
//!
//! Nothing may be written here that cannot be read again: [`RecordWriter::push`] turns
//! away a command that [`decode`] would not accept, for a record is read by every node,
//! at every restart, forever.

use jari_core::booking::CampaignConfig;
use jari_core::ids::CommandId;
use jari_core::{Body, Command, Time};

use crate::codec::{Fault, Length, Reader, Sink, Wire, Writer};

/// The version that is written.
pub const VERSION: u8 = 1;
/// Bytes of a record before its first command.
pub const HEAD_BYTES: usize = 23;
/// Bytes of one encoded command at the most.
pub const COMMAND_BYTES_MAX: usize = 128 * 1024;
/// The bit of a tag that says that a command id follows.
const WITH_ID: u8 = 0x80;
/// Where the number of commands stands.
const COUNT_AT: usize = 19;

/// What a record says of itself.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct RecordHead {
    /// The node that wrote it.
    pub node: u16,
    /// The node's own number for it; with `node`, it finds its record again.
    pub sequence: u64,
    /// The instant that its commands happen at.
    pub at: Time,
    /// How many commands it holds.
    pub count: u32,
}

/// A record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// What it says of itself.
    pub head: RecordHead,
    /// The commands in their order.
    pub commands: Vec<Command>,
}

/// Why bytes are no record that can be used.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// A newer build wrote it. Stop, and install that build or a newer one.
    #[error("a newer build wrote this record (format {version}); this one reads up to {VERSION}")]
    Newer {
        /// The format it says it has.
        version: u8,
    },
    /// No build wrote these bytes. Stop, and bring the record from another copy.
    #[error("the record is damaged near byte {at}: {fault}")]
    Damaged {
        /// How many bytes made sense.
        at: usize,
        /// What is wrong there.
        fault: Fault,
    },
}

/// A command is beyond what a record may carry, far beyond what core accepts: refuse it
/// to whoever sent it.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the command has a text, list or size beyond what a record may carry")]
pub struct Unfit;

/// Writes records into one buffer that is used again and again.
#[derive(Clone, Debug)]
pub struct RecordWriter {
    out: Writer,
    count: u32,
}

impl Default for RecordWriter {
    fn default() -> Self {
        RecordWriter::new()
    }
}

impl RecordWriter {
    /// A writer with an empty record begun for node 0.
    #[must_use]
    pub fn new() -> RecordWriter {
        let mut writer = RecordWriter { out: Writer::default(), count: 0 };
        writer.begin(0, 0, Time(0));
        writer
    }

    /// Drops what is in the buffer and begins a record.
    pub fn begin(&mut self, node: u16, sequence: u64, at: Time) {
        self.count = 0;
        self.out.unfit = false;
        self.out.buffer.clear();
        self.out.bytes(&[VERSION]);
        self.out.bytes(&node.to_le_bytes());
        self.out.bytes(&sequence.to_le_bytes());
        self.out.bytes(&at.0.to_le_bytes());
        self.out.bytes(&0_u32.to_le_bytes());
    }

    /// Appends a command.
    ///
    /// # Errors
    ///
    /// [`Unfit`]: the record is as it was before, and can be gone on with.
    pub fn push(&mut self, command: &Command) -> Result<(), Unfit> {
        let before = self.out.buffer.len();
        put_command(command, &mut self.out);
        let too_long = self.out.buffer.len() - before > COMMAND_BYTES_MAX;
        if self.out.unfit || too_long || self.count == u32::MAX {
            self.out.buffer.truncate(before);
            self.out.unfit = false;
            return Err(Unfit);
        }
        self.count += 1;
        Ok(())
    }

    /// Bytes of the record so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.buffer.len()
    }

    /// Whether it has no command: a tick.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Commands of the record so far.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The record's bytes. The next one starts with [`RecordWriter::begin`].
    pub fn finish(&mut self) -> &[u8] {
        self.out.buffer[COUNT_AT..HEAD_BYTES].copy_from_slice(&self.count.to_le_bytes());
        &self.out.buffer
    }
}

/// Bytes that a command will take in a record; never less than it does take.
#[must_use]
pub fn encoded_len_max(command: &Command) -> usize {
    let mut length = Length::default();
    put_command(command, &mut length);
    length.0
}

/// Reads a record.
///
/// # Errors
///
/// See [`DecodeError`].
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let head = decode_head(bytes)?;
    let mut from = Reader::new(bytes);
    decode_commands(head.count, &mut from)
        .map(|commands| Record { head, commands })
        .map_err(|fault| DecodeError::Damaged { at: from.at(), fault })
}

/// Reads only what a record says of itself; its commands are not looked at.
///
/// # Errors
///
/// See [`DecodeError`].
pub fn decode_head(bytes: &[u8]) -> Result<RecordHead, DecodeError> {
    match bytes.first() {
        None => return Err(DecodeError::Damaged { at: 0, fault: Fault::EndsEarly }),
        Some(0) => return Err(DecodeError::Damaged { at: 0, fault: Fault::UnknownTag }),
        Some(&VERSION) => {}
        Some(&version) => return Err(DecodeError::Newer { version }),
    }
    let mut from = Reader::new(bytes);
    take_head(&mut from).map_err(|fault| DecodeError::Damaged { at: from.at(), fault })
}

fn take_head(from: &mut Reader<'_>) -> Result<RecordHead, Fault> {
    from.bytes(1)?;
    Ok(RecordHead {
        node: u16::from_le_bytes(from.array()?),
        sequence: u64::from_le_bytes(from.array()?),
        at: Time(u64::from_le_bytes(from.array()?)),
        count: u32::from_le_bytes(from.array()?),
    })
}

fn decode_commands(count: u32, from: &mut Reader<'_>) -> Result<Vec<Command>, Fault> {
    from.bytes(HEAD_BYTES)?;
    // A damaged count must not allocate; commands are longer than this as a rule.
    let likely = (count as usize).min(from.left() / 16);
    let mut commands = Vec::with_capacity(likely);
    for _ in 0..count {
        let before = from.at();
        commands.push(take_command(from)?);
        if from.at() - before > COMMAND_BYTES_MAX {
            return Err(Fault::OverLimit);
        }
    }
    from.end()?;
    Ok(commands)
}

/// The tag of a `CreateCampaign` with reminders: its fields, then `reminder_ms`, which is not 0.
const CREATE_CAMPAIGN_WITH_REMINDERS: u8 = 37;

#[inline]
fn put_command<S: Sink>(command: &Command, out: &mut S) {
    match &command.body {
        Body::CreateCampaign { campaign, config } if config.reminder_ms != 0 => {
            put_tag(CREATE_CAMPAIGN_WITH_REMINDERS, command.id, out);
            campaign.put(out);
            config.put(out);
            config.reminder_ms.put(out);
        }
        _ => put_plain(command, out),
    }
}

#[inline]
fn take_command(from: &mut Reader<'_>) -> Result<Command, Fault> {
    let (tag, id) = take_tag(from)?;
    if tag != CREATE_CAMPAIGN_WITH_REMINDERS {
        return take_plain(tag, id, from);
    }
    let campaign = Wire::take(from)?;
    let mut config: Box<CampaignConfig> = Wire::take(from)?;
    config.reminder_ms = Wire::take(from)?;
    if config.reminder_ms == 0 {
        return Err(Fault::NotCanonical);
    }
    Ok(Command { id, body: Body::CreateCampaign { campaign, config } })
}

/// Makes the encoding of commands from the table of tags and fields.
macro_rules! bodies {
    ($($tag:literal $name:ident { $($field:ident),* $(,)? })*) => {
        fn put_plain<S: Sink>(command: &Command, out: &mut S) {
            let Command { id, body } = command;
            match body {
                $(Body::$name { $($field),* } => {
                    put_tag($tag, *id, out);
                    $($field.put(out);)*
                })*
            }
        }

        fn take_plain(tag: u8, id: CommandId, from: &mut Reader<'_>) -> Result<Command, Fault> {
            let body = match tag {
                $($tag => {
                    $(let $field = Wire::take(from)?;)*
                    Body::$name { $($field),* }
                })*
                _ => return Err(Fault::UnknownTag),
            };
            Ok(Command { id, body })
        }
    };
}

bodies! {
    1 Upgrade { rules }
    2 AckEffects { upto }
    3 TakeLease { node, life }
    4 Checkpoint { position, digest }

    10 CreateRoom { room, config }
    11 ScheduleRoom { room, opens_at, reason }
    12 DrawRoom { room, seed, beacon }
    13 PauseRoom { room, reason }
    14 ResumeRoom { room }
    15 CloseRoom { room, reason }
    16 SetPace { room, pace, reason }
    17 ReportHealth { room, latency_p95_ms, error_ppm }
    18 SetNotices { room, notices }
    19 SetAgentShare { room, permille, reason }

    20 Join { room, count }
    21 JoinAs { room, person }
    22 Enter { room, serial }
    23 Leave { room, serial }
    24 EnterByAgent { room, person }

    30 CreateCampaign { campaign, config }
    31 SetRules { campaign, rules, reason }
    32 SetWindows { campaign, windows, reason }
    33 SetQuota { campaign, vaccine, quota, reason }
    34 PauseCampaign { campaign, reason }
    35 ResumeCampaign { campaign }
    36 CloseCampaign { campaign, reason }

    40 AddClinic { config }
    41 AddDesk { campaign, clinic }
    42 AddSlots { desk, slots }
    43 SetCapacity { slot, capacity, reason }
    44 SetWithdrawn { slot, withdrawn, reason }
    45 CheckIn { booking }
    46 MarkNoShow { booking }
    47 WalkIn { slot, person, birth, dose, channel }
    48 OfferLeftover { slot, places, offer_ms }

    50 Hold { slot, person, birth, dose, entry, channel }
    51 Confirm { booking, person }
    52 Cancel { booking, person }
    53 Reschedule { booking, person, slot }
    54 KeepContact { person, sealed }
    55 DropContact { person }
    56 Standby { desk, person, birth, dose, minutes }
    57 StandDown { desk, person }
    58 HoldFor { slot, person, birth, dose, entry, channel, proxy }
    59 EndProxy { booking, person }
}

#[inline]
fn put_tag<S: Sink>(tag: u8, id: CommandId, out: &mut S) {
    if id.0 == 0 {
        tag.put(out);
    } else {
        (tag | WITH_ID).put(out);
        id.put(out);
    }
}

#[inline]
fn take_tag(from: &mut Reader<'_>) -> Result<(u8, CommandId), Fault> {
    let tag = u8::take(from)?;
    if tag & WITH_ID == 0 {
        return Ok((tag, CommandId(0)));
    }
    let id = CommandId::take(from)?;
    if id.0 == 0 { Err(Fault::NotCanonical) } else { Ok((tag & !WITH_ID, id)) }
}
