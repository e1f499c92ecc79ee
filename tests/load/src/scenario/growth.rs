//! How costs grow with size, without sockets: a tenfold size may cost ten times as much, and
//! no more than that but for what a larger memory is slower.

use crate::{
    Failure,
    inside::{self, Cost},
    settings::Settings,
    sheet::Sheet,
    subject::Subject,
};

const CONNECTIONS: u32 = 100_000;
const MEMBERS: u32 = 1_000_000;

/// The smallest size whose costs are compared: chance decides those of less.
const COMPARED: u32 = 500;

/// So much more may each of a tenfold size cost. What grows with the square of the size costs
/// ten times as much.
const SLACK: u32 = 3;

pub(super) async fn duplex(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    let sizes = sizes(settings.connections.unwrap_or(CONNECTIONS));
    for subject in [Subject::Ours, Subject::Bare] {
        let mut last = None;
        for size in &sizes {
            let cost = inside::cost("rooms", subject, *size).await?;
            let name = format!("{size} in memory in rooms of 10");
            sheet.bytes(&format!("{name}: memory of both ends"), subject, cost.memory);
            sheet.time(&format!("{name}: CPU of both ends to open"), subject, cost.cpu);
            check(&name, *size, &mut last, cost)?;
        }
    }
    let mut last = None;
    for size in sizes {
        let cost = inside::cost("watchers", Subject::Ours, size).await?;
        let name = format!("a change seen by {size} in memory: CPU a delivery");
        sheet.time(&name, Subject::Ours, cost.cpu);
        check(&name, size, &mut last, Cost { memory: 0, ..cost })?;
    }
    Ok(())
}

pub(super) async fn registry(settings: &Settings, sheet: &mut Sheet) -> Result<(), Failure> {
    for (what, rooms) in [("one-room", "one room"), ("small-rooms", "rooms of 100")] {
        let mut last = None;
        for size in sizes(settings.connections.unwrap_or(MEMBERS)) {
            let cost = inside::cost(what, Subject::Ours, size).await?;
            let name = format!("{size} in {rooms}, registry alone");
            sheet.bytes(&format!("{name}: memory a member"), Subject::Ours, cost.memory);
            sheet.time(&format!("{name}: CPU a join"), Subject::Ours, cost.cpu);
            check(&name, size, &mut last, cost)?;
        }
    }
    Ok(())
}

/// Up to the largest, ten times as many each.
fn sizes(largest: u32) -> Vec<u32> {
    let sizes = [100, 10, 1].map(|part| largest / part);
    sizes.into_iter().filter(|size| *size > 0).collect()
}

/// Fails where each of a tenfold size costs far more than before.
fn check(name: &str, size: u32, last: &mut Option<Cost>, cost: Cost) -> Result<(), Failure> {
    let is_compared = size / 10 >= COMPARED;
    let grown = last.replace(cost).filter(|before| {
        cost.memory > before.memory * u64::from(SLACK) || cost.cpu > before.cpu * SLACK
    });
    match grown.filter(|_| is_compared) {
        Some(before) => Err(format!("{name}: {cost:?} each, and {before:?} of a tenth").into()),
        None => Ok(()),
    }
}
