//! Identifiers. Each is a type of its own, so that a serial number can never be
//! passed where a booking is meant.

/// Makes a transparent identifier type over an integer.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub $inner);
    };
}

id!(
    /// Chosen by the client (`Idempotency-Key`) and bound to its sender by a keyed
    /// hash before it reaches core, so that nobody can collide with another's id.
    /// Zero means "not remembered": the command is idempotent by nature or made by
    /// the node itself.
    CommandId(u128)
);
id!(
    /// A person: a 128-bit keyed hash made outside core. Uniformly distributed.
    PersonId(u128)
);
id!(
    /// A waiting room, chosen by the operator.
    RoomId(u32)
);
id!(
    /// A ticket's number within its room, from 0 in the journal's order.
    Serial(u32)
);
id!(
    /// A booking campaign, chosen by the operator.
    CampaignId(u32)
);
id!(
    /// A clinic: its index in [`crate::Data::clinics`].
    ClinicId(u32)
);
id!(
    /// A clinic's part in one campaign: its index in [`crate::Data::desks`].
    DeskId(u32)
);
id!(
    /// A slot: its index in [`crate::Data::slots`].
    SlotId(u32)
);
id!(
    /// A booking (or hold): its index in [`crate::Data::bookings`]. Never used again.
    BookingId(u32)
);
id!(
    /// A vaccine: its index in the campaign's list.
    VaccineId(u16)
);
id!(
    /// Through whom a command came: 0 the own site, 1 telephone agents, 2 the clinic's
    /// desk, 16 and up partner channels in the order of the configuration.
    ChannelId(u16)
);

impl ChannelId {
    /// The service's own pages and API.
    pub const OWN_SITE: ChannelId = ChannelId(0);
    /// Agents who book for callers.
    pub const AGENT: ChannelId = ChannelId(1);
    /// The clinic's desk.
    pub const CLINIC: ChannelId = ChannelId(2);
    /// The first partner channel.
    pub const PARTNER_FIRST: ChannelId = ChannelId(16);
}
