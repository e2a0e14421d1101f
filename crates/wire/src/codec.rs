//! The primitives: where bytes go, where they come from, and one encoding for each
//! plain type.
//!
//! `u8`, `bool`, `u128` and arrays are as wide as they are; other integers are LEB128
//! (signed ones zigzag first), always in the fewest bytes; texts, byte strings and
//! lists begin with their length.
//!
//! [`Reader`] must never panic and never trust a length that the input cannot hold.

use std::collections::VecDeque;

use jari_core::command::Text;

/// Elements of a list at the most. More than core allows anywhere in a command, so that
/// core gets to refuse a list with its reason.
pub const LIST_MAX: usize = 4_096;
/// Bytes of a text or byte string at the most. More than core allows, as [`LIST_MAX`].
pub const BYTES_MAX: usize = 4_096;

/// What is wrong with some bytes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes end before the value does.
    #[error("the bytes end early")]
    EndsEarly,
    /// There are bytes after the value.
    #[error("bytes are left over")]
    LeftOver,
    /// A tag or number stands for nothing.
    #[error("unknown tag")]
    UnknownTag,
    /// A length or number is beyond its limit.
    #[error("beyond a limit")]
    OverLimit,
    /// A value is not written the one way it must be.
    #[error("not in canonical form")]
    NotCanonical,
    /// A text is not UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// A checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
}

/// Where encoded bytes go.
pub(crate) trait Sink {
    /// Appends bytes.
    fn bytes(&mut self, bytes: &[u8]);
    /// Notes that a value is beyond what may be written.
    fn refuse(&mut self);
}

/// A growing buffer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    pub(crate) buffer: Vec<u8>,
    /// Set once a value beyond a limit was written: the buffer must not be used.
    pub(crate) unfit: bool,
}

impl Sink for Writer {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn refuse(&mut self) {
        self.unfit = true;
    }
}

/// Counts bytes instead of keeping them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Length(pub(crate) usize);

impl Sink for Length {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    fn refuse(&mut self) {}
}

/// Where encoded bytes come from.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// How many bytes have been read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let bytes = rest.get(..len).ok_or(Fault::EndsEarly)?;
        self.at += len;
        Ok(bytes)
    }

    /// The next `N` bytes.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| Fault::EndsEarly)
    }

    /// A length of something whose every element takes a byte or more.
    fn len(&mut self, max: usize) -> Result<usize, Fault> {
        let len = usize::try_from(u64::take(self)?).map_err(|_| Fault::OverLimit)?;
        if len > max {
            return Err(Fault::OverLimit);
        }
        if len > self.left() {
            return Err(Fault::EndsEarly);
        }
        Ok(len)
    }

    /// Refuses bytes that nobody has read.
    pub(crate) fn end(&self) -> Result<(), Fault> {
        if self.left() == 0 { Ok(()) } else { Err(Fault::LeftOver) }
    }
}

/// A type with exactly one encoding.
pub(crate) trait Wire: Sized {
    /// Appends the encoding.
    fn put<S: Sink>(&self, out: &mut S);
    /// Reads one value.
    fn take(from: &mut Reader<'_>) -> Result<Self, Fault>;
}

#[inline]
fn put_varint<S: Sink>(mut value: u64, out: &mut S) {
    let mut encoded = [0_u8; 10];
    let mut len = 0;
    while value >= 0x80 {
        encoded[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    encoded[len] = value as u8;
    out.bytes(&encoded[..=len]);
}

#[inline]
fn take_varint(from: &mut Reader<'_>) -> Result<u64, Fault> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let [byte] = from.array()?;
        if shift == 63 && byte > 1 {
            return Err(Fault::OverLimit);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let padded = byte == 0 && shift != 0;
            return if padded { Err(Fault::NotCanonical) } else { Ok(value) };
        }
    }
    Err(Fault::OverLimit)
}

impl Wire for u64 {
    #[inline]
    fn put<S: Sink>(&self, out: &mut S) {
        put_varint(*self, out);
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        take_varint(from)
    }
}

/// Integers that travel inside a wider varint.
macro_rules! narrow {
    ($($name:ident)*) => {$(
        impl Wire for $name {
            #[inline]
            fn put<S: Sink>(&self, out: &mut S) {
                put_varint(u64::from(*self), out);
            }

            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
                $name::try_from(take_varint(from)?).map_err(|_| Fault::OverLimit)
            }
        }
    )*};
}

narrow!(u16 u32);

/// Signed integers: zigzag, so that small ones of either sign are short.
macro_rules! signed {
    ($($name:ident)*) => {$(
        impl Wire for $name {
            #[inline]
            fn put<S: Sink>(&self, out: &mut S) {
                let wide = i64::from(*self);
                put_varint((wide << 1 ^ wide >> 63) as u64, out);
            }

            #[inline]
            fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
                let zigzag = take_varint(from)?;
                let wide = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
                $name::try_from(wide).map_err(|_| Fault::OverLimit)
            }
        }
    )*};
}

signed!(i16 i32 i64);

impl Wire for u8 {
    #[inline]
    fn put<S: Sink>(&self, out: &mut S) {
        out.bytes(&[*self]);
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        let [byte] = from.array()?;
        Ok(byte)
    }
}

impl Wire for bool {
    #[inline]
    fn put<S: Sink>(&self, out: &mut S) {
        out.bytes(&[u8::from(*self)]);
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::NotCanonical),
        }
    }
}

impl Wire for u128 {
    #[inline]
    fn put<S: Sink>(&self, out: &mut S) {
        out.bytes(&self.to_le_bytes());
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(u128::from_le_bytes(from.array()?))
    }
}

impl<const N: usize> Wire for [u8; N] {
    #[inline]
    fn put<S: Sink>(&self, out: &mut S) {
        out.bytes(self);
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        from.array()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put<S: Sink>(&self, out: &mut S) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    #[inline]
    fn put<S: Sink>(&self, out: &mut S) {
        self.0.put(out);
        self.1.put(out);
    }

    #[inline]
    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put<S: Sink>(&self, out: &mut S) {
        T::put(self, out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        T::take(from).map(Box::new)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put<S: Sink>(&self, out: &mut S) {
        put_list(self.iter(), out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        let len = from.len(LIST_MAX)?;
        let mut list = Vec::with_capacity(len);
        for _ in 0..len {
            list.push(T::take(from)?);
        }
        Ok(list)
    }
}

impl<T: Wire> Wire for VecDeque<T> {
    fn put<S: Sink>(&self, out: &mut S) {
        put_list(self.iter(), out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        Vec::take(from).map(VecDeque::from)
    }
}

/// The length and the elements.
fn put_list<'a, T: Wire + 'a, S: Sink>(elements: impl ExactSizeIterator<Item = &'a T>, out: &mut S) {
    if elements.len() > LIST_MAX {
        out.refuse();
    }
    (elements.len() as u64).put(out);
    for element in elements {
        element.put(out);
    }
}

impl Wire for Box<[u8]> {
    fn put<S: Sink>(&self, out: &mut S) {
        if self.len() > BYTES_MAX {
            out.refuse();
        }
        (self.len() as u64).put(out);
        out.bytes(self);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        let len = from.len(BYTES_MAX)?;
        Ok(Box::from(from.bytes(len)?))
    }
}

impl Wire for Text {
    fn put<S: Sink>(&self, out: &mut S) {
        if self.len() > BYTES_MAX {
            out.refuse();
        }
        (self.len() as u64).put(out);
        out.bytes(self.as_bytes());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Fault> {
        let len = from.len(BYTES_MAX)?;
        let text = str::from_utf8(from.bytes(len)?).map_err(|_| Fault::NotText)?;
        Ok(Box::from(text))
    }
}
