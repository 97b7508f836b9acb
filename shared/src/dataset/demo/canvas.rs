//! Shapes drawn in whole numbers, so that every machine draws the same bytes.

use super::random::Draws;

/// Pixels along an edge of an image.
pub(super) const EDGE: usize = 64;

/// Red, green, blue.
pub(super) type Colour = [i32; 3];

/// A point of a scene: x to the right and y down from the middle of what is drawn, which reaches about 1000 far.
pub(super) type Point = (i32, i32);

/// An area of one colour.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// An ellipse with its axes along x and y.
    Ellipse { centre: Point, radii: Point },
    /// A convex polygon, its corners clockwise as seen.
    Polygon(Vec<Point>),
    /// A straight line with round ends.
    Stroke { from: Point, to: Point, half_width: i32 },
}

impl Shape {
    fn bounds(&self) -> (Point, Point) {
        match self {
            Self::Ellipse { centre, radii } => bounds_of(&[*centre], *radii),
            Self::Polygon(corners) => bounds_of(corners, (0, 0)),
            Self::Stroke { from, to, half_width } => bounds_of(&[*from, *to], (*half_width, *half_width)),
        }
    }

    fn contains(&self, (x, y): Point) -> bool {
        match self {
            Self::Ellipse { centre, radii } => {
                let (dx, dy) = (i64::from(x - centre.0), i64::from(y - centre.1));
                let (rx, ry) = (i64::from(radii.0), i64::from(radii.1));
                dx * dx * ry * ry + dy * dy * rx * rx <= rx * rx * ry * ry
            }
            Self::Polygon(corners) => {
                let next = corners.iter().cycle().skip(1);
                corners.iter().zip(next).all(|(a, b)| cross(*a, *b, (x, y)) >= 0)
            }
            Self::Stroke { from, to, half_width } => near_segment(*from, *to, (x, y), i64::from(*half_width)),
        }
    }
}

/// The smallest and the largest x and y among points that are `margin` from those of `points`.
fn bounds_of(points: &[Point], margin: Point) -> (Point, Point) {
    let (xs, ys) = (points.iter().map(|p| p.0), points.iter().map(|p| p.1));
    let low = |values: &mut dyn Iterator<Item = i32>| values.min().unwrap_or(0);
    let high = |values: &mut dyn Iterator<Item = i32>| values.max().unwrap_or(0);
    (
        (low(&mut xs.clone()) - margin.0, low(&mut ys.clone()) - margin.1),
        (high(&mut xs.clone()) + margin.0, high(&mut ys.clone()) + margin.1),
    )
}

/// Twice the area of the triangle a, b, p; positive if p is on the right of the way from a to b.
fn cross(a: Point, b: Point, p: Point) -> i64 {
    i64::from(b.0 - a.0) * i64::from(p.1 - a.1) - i64::from(b.1 - a.1) * i64::from(p.0 - a.0)
}

fn near_segment(from: Point, to: Point, p: Point, distance: i64) -> bool {
    let dot = |a: Point, b: Point| i64::from(a.0) * i64::from(b.0) + i64::from(a.1) * i64::from(b.1);
    let minus = |a: Point, b: Point| (a.0 - b.0, a.1 - b.1);
    let (along, offset) = (minus(to, from), minus(p, from));
    let (length_squared, t) = (dot(along, along), dot(offset, along));
    if t <= 0 {
        dot(offset, offset) <= distance * distance
    } else if t >= length_squared {
        let offset = minus(p, to);
        dot(offset, offset) <= distance * distance
    } else {
        // |cross|² / length² ≤ distance²
        let area = cross(from, to, p);
        area * area <= distance * distance * length_squared
    }
}

/// Where, how large and how tilted a scene appears in its image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    centre: Point,
    /// 1024 times what one sixth of a pixel to the right adds to x and takes from y; one down adds as much to y.
    along: i32,
    across: i32,
}

impl Pose {
    /// A scene with its middle `centre` sixths of a pixel from the upper left corner, `size` sixths of a pixel per 1000
    /// units, and turned by the angle whose sine is `tilt` / 1024.
    pub(super) fn new(centre: Point, size: i32, tilt: i32) -> Self {
        let cosine = (1024 * 1024 - tilt * tilt).isqrt();
        Self {
            centre,
            along: cosine * 1000 / size,
            across: tilt * 1000 / size,
        }
    }

    /// The point of the scene that is seen at `at`, in sixths of a pixel.
    fn scene_point(&self, at: Point) -> Point {
        let (dx, dy) = (at.0 - self.centre.0, at.1 - self.centre.1);
        (
            (dx * self.along + dy * self.across) >> 10,
            (dy * self.along - dx * self.across) >> 10,
        )
    }
}

/// Shapes over a background that fades from one colour at the top to another at the bottom.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    top: Colour,
    bottom: Colour,
    shapes: Vec<Painted>,
}

/// A shape, painted over those before it.
#[derive(Clone, Debug)]
struct Painted {
    shape: Shape,
    colour: Colour,
    /// The smallest and the largest x and y, so that most points need no closer look.
    low: Point,
    high: Point,
}

impl Scene {
    /// Nothing but a background, from `top` to `bottom`.
    pub(super) fn empty(top: Colour, bottom: Colour) -> Self {
        let shapes = Vec::new();
        Self { top, bottom, shapes }
    }

    /// Paints `colour` over what is there.
    pub(super) fn paint(&mut self, shape: Shape, colour: Colour) {
        let (low, high) = shape.bounds();
        self.shapes.push(Painted {
            shape,
            colour,
            low,
            high,
        });
    }

    /// Paints the same on both sides of the scene's vertical axis.
    pub(super) fn paint_both_sides(&mut self, shape: Shape, colour: Colour) {
        self.paint(mirrored(&shape), colour);
        self.paint(shape, colour);
    }

    /// The image of the scene: [`EDGE`] × [`EDGE`] pixels of three bytes, each the mean of nine samples plus noise of
    /// up to ± `noise`.
    pub(super) fn draw(&self, pose: Pose, noise: i32, random: &mut Draws) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(EDGE * EDGE * 3);
        for y in 0..EDGE as i32 {
            for x in 0..EDGE as i32 {
                let mut sum = [0; 3];
                for (sub_y, sub_x) in [1, 3, 5].into_iter().flat_map(|y| [1, 3, 5].map(|x| (y, x))) {
                    let colour = self.colour_at(pose, (6 * x + sub_x, 6 * y + sub_y));
                    sum = [0, 1, 2].map(|channel| sum[channel] + colour[channel]);
                }
                for channel in sum {
                    let value = channel / 9 + random.between(-noise, noise);
                    bytes.push(value.clamp(0, 255) as u8);
                }
            }
        }
        bytes
    }

    fn colour_at(&self, pose: Pose, at: Point) -> Colour {
        let point = pose.scene_point(at);
        let topmost = self.shapes.iter().rev().find(|painted| painted.covers(point));
        topmost.map_or_else(
            || mix(self.top, self.bottom, at.1, 6 * EDGE as i32),
            |painted| painted.colour,
        )
    }
}

impl Painted {
    fn covers(&self, point: Point) -> bool {
        let within = |low: i32, at: i32, high: i32| low <= at && at <= high;
        within(self.low.0, point.0, self.high.0)
            && within(self.low.1, point.1, self.high.1)
            && self.shape.contains(point)
    }
}

/// `a` and `b` mixed, `part` of `whole` being `b`.
pub(super) fn mix(a: Colour, b: Colour, part: i32, whole: i32) -> Colour {
    [0, 1, 2].map(|channel| (a[channel] * (whole - part) + b[channel] * part) / whole)
}

fn mirrored(shape: &Shape) -> Shape {
    let flip = |(x, y): Point| (-x, y);
    match shape {
        Shape::Ellipse { centre, radii } => Shape::Ellipse {
            centre: flip(*centre),
            radii: *radii,
        },
        // Mirroring turns the corners round, so they are listed backwards.
        Shape::Polygon(corners) => Shape::Polygon(corners.iter().rev().copied().map(flip).collect()),
        Shape::Stroke { from, to, half_width } => Shape::Stroke {
            from: flip(*from),
            to: flip(*to),
            half_width: *half_width,
        },
    }
}
