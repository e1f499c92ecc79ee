//! The registry alone: members without transports, up to a million.

use std::hint::black_box;

use umbral_presence::__bench::{Room, Visitor};

use super::Cost;
use crate::{Failure, usage::Usage};

/// So many come at once, before they read what they have been told.
const WAVE: usize = 10_000;

/// Members of a small room.
const SMALL: usize = 100;

/// What one more member takes to join a room of so many, and what each keeps. They do not read:
/// each would take a snapshot of them all.
pub(super) fn one_room(count: u32) -> Result<Cost, Failure> {
    measure(count, &[Room::new()], |_| ())
}

/// The same in rooms of a hundred, one after the other, whose members read what they are told
/// until their room is full. Newcomers come to a hundred of the rooms.
pub(super) fn small_rooms(count: u32) -> Result<Cost, Failure> {
    let first = Room::new();
    let rooms = 0..count.div_ceil(u32::try_from(SMALL)?);
    let rooms: Vec<Room> = rooms.map(|number| first.beside(number)).collect();
    measure(count, &rooms, |members| {
        for member in members {
            black_box(member.read());
        }
    })
}

fn measure(count: u32, rooms: &[Room], read: impl Fn(&[Visitor])) -> Result<Cost, Failure> {
    let usage = Usage::own();
    let room_of = |number: usize| &rooms[number / SMALL % rooms.len()];
    let visitor = |number: usize| room_of(number).visitor(&format!("user-{number}"));
    let (count, memory) = (usize::try_from(count)?, usage.memory()?);
    let mut members: Vec<Visitor> = Vec::new();
    while members.len() < count {
        let start = members.len();
        for number in start..count.min(start + WAVE) {
            let member = visitor(number);
            room_of(number).join(&member);
            members.push(member);
        }
        read(&members[start..]);
    }
    let memory = usage.memory()?.saturating_sub(memory) / u64::try_from(count)?;
    let all = count + WAVE.min(count);
    let newcomers: Vec<_> = (count..all).map(|number| (number, visitor(number))).collect();
    let cpu = usage.cpu()?;
    newcomers.iter().for_each(|(number, newcomer)| room_of(*number).join(newcomer));
    let cpu = (usage.cpu()? - cpu) / u32::try_from(newcomers.len())?;
    let present: usize = rooms.iter().map(Room::count).sum();
    if present != all {
        return Err(format!("{present} of {all} are present").into());
    }
    Ok(Cost { memory, cpu })
}
