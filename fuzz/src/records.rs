//! Records of the journal: what decodes, encodes to the same bytes.

use jari_wire::record::{self, RecordWriter};

pub fn run(bytes: &[u8]) {
    let head = record::decode_head(bytes);
    let Ok(read) = record::decode(bytes) else { return };
    assert_eq!(head, Ok(read.head), "the head reads the same alone");
    let mut writer = RecordWriter::new();
    writer.begin(read.head.node, read.head.sequence, read.head.at);
    for command in &read.commands {
        let before = writer.len();
        writer.push(command).expect("a command that was read can be written");
        let len = writer.len() - before;
        assert!(len <= record::encoded_len_max(command), "a command is not longer than foretold");
    }
    assert_eq!(writer.finish(), bytes, "one encoding for each record");
}
