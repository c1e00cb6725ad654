//! The files of registers as they are on the disk: their bytes stay the same from release to
//! release, and real files answer like those in memory. Tests only.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use postrider_storage::io::FileDisk;
use postrider_storage::register::{
    PageQuery, RegisterConfig, RegisterRow, Registers, Slot, Statuses,
};
use postrider_storage::search::run;
use postrider_storage::{Disk, MemDisk, Position, SegmentId, SideFile};

const ROWS: u64 = 9_000;

fn slot(n: u64, status: u8) -> Slot {
    let offset = u32::try_from(n * 300).unwrap();
    Slot { status, at: Position { segment: SegmentId(7), offset } }
}

/// A register of more than one page of everything, some of whose slots were changed in place.
fn fill<D: Disk>(disk: &mut D) -> Registers {
    let mut registers = Registers::new(RegisterConfig { rows: 100_000, dirty: 1_000 });
    for n in 0..ROWS {
        registers.accept(&RegisterRow {
            sequence: 100 + 2 * n,
            customer: u32::try_from(n % 400).unwrap(),
            accepted_ms: 1_790_000_000_000 + n / 3,
            recipient: n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            group: if n.is_multiple_of(7) { 1 + n / 21 } else { 0 },
            slot: slot(n, 0),
        });
    }
    registers.flush();
    work(&mut registers, disk);
    for n in [0, 17, 4_000, 8_999] {
        registers.set_slot(100 + 2 * n, slot(ROWS + n, 4));
    }
    registers.flush();
    work(&mut registers, disk);
    registers
}

fn work<D: Disk>(registers: &mut Registers, disk: &mut D) {
    while let Some(chore) = registers.poll_chore() {
        let done = chore.run(disk).unwrap();
        registers.handle_chore(Ok(done));
    }
}

fn bytes<D: Disk>(disk: &mut D, file: SideFile) -> Vec<u8> {
    let length = disk.list_side().unwrap().into_iter().find(|(known, _)| *known == file);
    let mut bytes = vec![0; usize::try_from(length.unwrap().1).unwrap()];
    assert_eq!(disk.read_side(file, 0, &mut bytes).unwrap(), bytes.len());
    bytes
}

#[test]
fn the_bytes_of_format_1_stay_the_same() {
    let mut disk = MemDisk::new();
    fill(&mut disk);
    let checks = [SideFile::Register(1), SideFile::Slots(1)].map(|file| {
        let bytes = bytes(&mut disk, file);
        (bytes.len(), crc32c::crc32c(&bytes))
    });
    assert_eq!(checks, [(286_720, 195_961_662), (294_912, 746_014_863)]);
}

#[test]
fn real_files_hold_what_files_in_memory_hold() {
    let dir = tempfile::tempdir().unwrap();
    let mut real = FileDisk::new(dir.path(), false);
    let mut memory = MemDisk::new();
    let mut registers = fill(&mut real);
    fill(&mut memory);
    for file in [SideFile::Register(1), SideFile::Slots(1)] {
        assert!(bytes(&mut real, file) == bytes(&mut memory, file), "{file:?}");
    }
    let mut snapshot = Vec::new();
    registers.snapshot(&mut snapshot);
    let config = RegisterConfig { rows: 100_000, dirty: 1_000 };
    let (registers, found) = Registers::open(&mut real, config, Some(&snapshot)).unwrap();
    assert!(found.missing.is_empty() && found.removed.is_empty());
    for (n, status) in [(0, 4), (1, 0), (17, 4), (4_000, 4), (8_998, 0), (8_999, 4)] {
        let at = if status == 4 { ROWS + n } else { n };
        let found = run(registers.slot(100 + 2 * n), &mut real).unwrap();
        assert_eq!(found, Some(slot(at, status)), "{n}");
    }
    assert_eq!(run(registers.slot(101), &mut real).unwrap(), None);
    let query = PageQuery {
        customer: 17,
        newest_ms: u64::MAX,
        oldest_ms: 0,
        after: None,
        statuses: Statuses::of(&[4]),
        limit: 10,
        scan_max: 1_000,
    };
    let page = run(registers.page(query), &mut real).unwrap();
    let sequences: Vec<u64> = page.rows.iter().map(|row| row.sequence).collect();
    assert_eq!((sequences, page.looked_to), (vec![100 + 2 * 17], None));
    assert_eq!(run(registers.by_group(1), &mut real).unwrap(), [100, 114, 128]);
    let recipient = 5_000u64.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    assert_eq!(run(registers.by_recipient(recipient), &mut real).unwrap(), [10_100]);
}

/// A message that is in no register is carried, and carried again before another start: each start brings
/// the record that it finds.
#[test]
fn of_registers_that_were_rebuilt_the_newest_tells_where_a_message_stands() {
    let config = || RegisterConfig { rows: 100_000, dirty: 1_000 };
    let row = |n| RegisterRow {
        sequence: 50,
        customer: 1,
        accepted_ms: 1_790_000_000_000,
        recipient: 5,
        group: 0,
        slot: slot(n, 2),
    };
    let mut disk = MemDisk::new();
    let mut registers = Registers::new(config());
    for n in 1..4 {
        registers.carried(&row(n));
        registers.replayed();
        work(&mut registers, &mut disk);
        assert_eq!(run(registers.slot(50), &mut disk).unwrap(), Some(slot(n, 2)));
        let mut snapshot = Vec::new();
        registers.snapshot(&mut snapshot);
        registers = Registers::open(&mut disk, config(), Some(&snapshot)).unwrap().0;
        assert_eq!(run(registers.slot(50), &mut disk).unwrap(), Some(slot(n, 2)));
    }
    registers.flush();
    work(&mut registers, &mut disk);
    assert_eq!(run(registers.slot(50), &mut disk).unwrap(), Some(slot(3, 2)));
}
