//! Which layer a box goes to, and who stands beside whom.

use super::place::{Card, Item};

/// How often the layers are gone through to lessen crossings.
const SWEEPS: usize = 24;

/// Puts each box one layer below the lowest box that leads to it. An arrow that leads back (there is
/// none in a checked runbook) does not count.
pub(super) fn levels(cards: &[Card], start: usize) -> Vec<usize> {
    let order = depth_first(cards, start);
    let mut rank = vec![0; cards.len()];
    for (nth, card) in order.iter().enumerate() {
        rank[*card] = nth;
    }
    let mut levels = vec![0; cards.len()];
    for &card in &order {
        for exit in &cards[card].exits {
            if rank[exit.to] > rank[card] {
                levels[exit.to] = levels[exit.to].max(levels[card] + 1);
            }
        }
    }
    levels
}

/// Every box before those that it leads to: the reverse of the order in which a search is done with
/// them. Without recursion: a runbook may be long.
fn depth_first(cards: &[Card], start: usize) -> Vec<usize> {
    let mut seen = vec![false; cards.len()];
    let mut done = Vec::new();
    // What no arrow leads to comes last, so it stands first, in the first layer.
    for root in [start].into_iter().chain(0..cards.len()) {
        if std::mem::replace(&mut seen[root], true) {
            continue;
        }
        let mut open = vec![(root, 0)];
        while let Some((card, exit)) = open.pop() {
            // From the last exit on, so that the first ones come first in the reverse.
            let exits = &cards[card].exits;
            let Some(next) = exits.len().checked_sub(exit + 1).map(|at| exits[at].to) else {
                done.push(card);
                continue;
            };
            open.push((card, exit + 1));
            if !std::mem::replace(&mut seen[next], true) {
                open.push((next, 0));
            }
        }
    }
    done.reverse();
    done
}

/// Fills the layers and orders them so that few arrows cross.
pub(super) fn layers(cards: &[Card], start: usize, levels: &[usize]) -> Vec<Vec<Item>> {
    let count = levels.iter().max().map_or(0, |last| last + 1);
    let mut layers: Vec<Vec<Item>> = vec![Vec::new(); count];
    for card in depth_first(cards, start) {
        layers[levels[card]].push(Item::Card(card));
        for exit in &cards[card].exits {
            for layer in layers.iter_mut().take(levels[exit.to]).skip(levels[card] + 1) {
                if !layer.contains(&Item::Wire(exit.to)) {
                    layer.push(Item::Wire(exit.to));
                }
            }
        }
    }
    let links: Vec<Vec<(Item, Item)>> =
        (0..count).map(|layer| links(cards, levels, layer)).collect();
    let mut best = layers.clone();
    let mut fewest = crossings(&layers, &links);
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        for step in 1..count {
            let layer = if down { step } else { count - 1 - step };
            sort(&mut layers, &links, layer, down);
        }
        let crossed = crossings(&layers, &links);
        if crossed < fewest {
            (best, fewest) = (layers.clone(), crossed);
        }
    }
    best
}

/// What leads from a layer to the next one.
fn links(cards: &[Card], levels: &[usize], layer: usize) -> Vec<(Item, Item)> {
    let mut links = Vec::new();
    for (from, card) in cards.iter().enumerate() {
        for exit in &card.exits {
            if levels[from] <= layer && layer < levels[exit.to] {
                let above =
                    if levels[from] == layer { Item::Card(from) } else { Item::Wire(exit.to) };
                let ends = levels[exit.to] == layer + 1;
                let below = if ends { Item::Card(exit.to) } else { Item::Wire(exit.to) };
                links.push((above, below));
            }
        }
    }
    links.sort_unstable();
    links.dedup();
    links
}

/// Orders a layer by the mean place of what each item is linked to in the layer before or after.
fn sort(layers: &mut [Vec<Item>], links: &[Vec<(Item, Item)>], layer: usize, down: bool) {
    let (other, links) =
        if down { (layer - 1, &links[layer - 1]) } else { (layer + 1, &links[layer]) };
    let place = |item: Item| {
        let at = layers[other].iter().position(|known| *known == item);
        at.map_or(0.5, |at| (at as f64 + 0.5) / layers[other].len() as f64)
    };
    let mut keyed: Vec<(f64, Item)> = layers[layer]
        .iter()
        .enumerate()
        .map(|(at, item)| {
            let linked = links.iter().filter_map(|(above, below)| match down {
                true => (below == item).then(|| place(*above)),
                false => (above == item).then(|| place(*below)),
            });
            let (count, sum) = linked.fold((0.0, 0.0), |(n, sum), x| (n + 1.0, sum + x));
            let stays = (at as f64 + 0.5) / layers[layer].len() as f64;
            (if count > 0.0 { sum / count } else { stays }, *item)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    layers[layer] = keyed.into_iter().map(|(_, item)| item).collect();
}

fn crossings(layers: &[Vec<Item>], links: &[Vec<(Item, Item)>]) -> usize {
    let mut count = 0;
    for (layer, links) in links.iter().enumerate().take(layers.len().saturating_sub(1)) {
        let place =
            |layer: usize, item: Item| layers[layer].iter().position(|other| *other == item);
        let mut pairs: Vec<_> =
            links.iter().map(|(a, b)| (place(layer, *a), place(layer + 1, *b))).collect();
        pairs.sort_unstable();
        for (nth, (above, below)) in pairs.iter().enumerate() {
            count += pairs[nth + 1..].iter().filter(|(a, b)| a > above && b < below).count();
        }
    }
    count
}
