//! What the built-in images show: a cat's face, or a house.

use super::canvas::{Colour, EDGE, Point, Pose, Scene, Shape, mix};
use super::random::Draws;

/// Backgrounds, top and bottom; both kinds of scene draw from the same ones, so that colour alone decides nothing.
const BACKGROUNDS: [(Colour, Colour); 8] = [
    ([40, 90, 170], [120, 170, 205]),
    ([180, 85, 45], [225, 160, 80]),
    ([35, 30, 80], [120, 70, 120]),
    ([140, 55, 85], [215, 130, 105]),
    ([20, 95, 95], [105, 160, 125]),
    ([15, 25, 55], [55, 85, 125]),
    ([85, 70, 150], [160, 140, 190]),
    ([105, 115, 45], [165, 170, 95]),
];

/// Fur of cats.
const FURS: [Colour; 7] = [
    [200, 125, 55],
    [110, 110, 115],
    [50, 45, 50],
    [215, 210, 200],
    [135, 95, 65],
    [210, 175, 125],
    [80, 70, 60],
];

/// Walls of houses.
const WALLS: [Colour; 7] = [
    [200, 130, 70],
    [115, 115, 125],
    [75, 65, 65],
    [215, 205, 195],
    [145, 80, 65],
    [205, 180, 130],
    [130, 150, 165],
];

const ROOFS: [Colour; 5] = [[165, 60, 45], [75, 65, 75], [120, 80, 55], [60, 90, 120], [95, 115, 75]];

const BLACK: Colour = [25, 22, 25];
const WHITE: Colour = [250, 250, 250];

/// Where and how large a scene appears.
pub(super) fn pose(random: &mut Draws) -> Pose {
    let middle = 3 * EDGE as i32;
    let centre = (
        middle + random.between(-SHIFT, SHIFT),
        middle + random.between(-SHIFT, SHIFT),
    );
    Pose::new(centre, random.between(SMALLEST, LARGEST), random.between(-TILT, TILT))
}

/// How far a scene is moved, in sixths of a pixel.
const SHIFT: i32 = 54;
/// How large it is, in sixths of a pixel per 1000 units.
const SMALLEST: i32 = 110;
const LARGEST: i32 = 190;
/// 1024 times the sine of its largest tilt.
const TILT: i32 = 270;
/// How far a colour strays, per channel.
const STRAY: i32 = 25;

/// A cat's face over its shoulders.
pub(super) fn cat(random: &mut Draws) -> Scene {
    let mut scene = background(random);
    let fur = stray(random.pick(&FURS), random);
    let dark = mix(fur, BLACK, 2, 5);
    let light = mix(fur, WHITE, 1, 2);
    let pink = stray([225, 150, 150], random);
    scene.paint(ellipse((0, 2000), (600, 1600)), mix(fur, BLACK, 1, 6));
    scene.paint_both_sides(polygon(&[(-640, -150), (-590, -900), (-110, -520)]), fur);
    scene.paint_both_sides(polygon(&[(-545, -330), (-535, -730), (-270, -510)]), pink);
    scene.paint(
        ellipse((0, 0), (random.between(640, 740), random.between(560, 620))),
        fur,
    );
    if random.one_in(2) {
        for x in [-150, 0, 150] {
            scene.paint(stroke((x, -560), (x * 2 / 3, -340), 38), dark);
        }
        scene.paint_both_sides(stroke((-690, 60), (-520, 90), 34), dark);
    }
    if random.one_in(3) {
        scene.paint(ellipse((280, -80), (230, 250)), light);
    }
    paint_eyes(&mut scene, random);
    scene.paint_both_sides(ellipse((-130, 290), (190, 150)), light);
    scene.paint(polygon(&[(-85, 140), (85, 140), (0, 235)]), pink);
    scene.paint(stroke((0, 240), (0, 300), 16), BLACK);
    scene.paint_both_sides(stroke((0, 300), (-65, 345), 16), BLACK);
    scene.paint_both_sides(stroke((-65, 345), (-140, 315), 16), BLACK);
    let whisker = if fur.iter().sum::<i32>() > 300 { BLACK } else { WHITE };
    for y in [-60, 40, 140] {
        scene.paint_both_sides(stroke((-300, 270 + y / 3), (-820, 230 + y), 14), whisker);
    }
    scene
}

fn paint_eyes(scene: &mut Scene, random: &mut Draws) {
    let iris = random.pick(&[[200, 215, 90], [120, 190, 120], [235, 190, 70], [130, 185, 225]]);
    let pupil = random.between(40, 90);
    scene.paint_both_sides(ellipse((-270, -70), (150, 155)), mix(iris, BLACK, 1, 3));
    scene.paint_both_sides(ellipse((-270, -70), (125, 135)), iris);
    scene.paint_both_sides(ellipse((-270, -70), (pupil, 120)), BLACK);
    scene.paint(ellipse((-305, -115), (30, 30)), WHITE);
    scene.paint(ellipse((235, -115), (30, 30)), WHITE);
}

/// A house on a meadow.
pub(super) fn house(random: &mut Draws) -> Scene {
    let mut scene = background(random);
    let wall = stray(random.pick(&WALLS), random);
    let roof = stray(random.pick(&ROOFS), random);
    let meadow = stray([80, 125, 65], random);
    let glass = stray(random.pick(&[[250, 225, 130], [150, 195, 225], [70, 90, 115]]), random);
    let door = stray(random.pick(&[[120, 70, 45], [165, 50, 50], [50, 90, 80]]), random);
    let frame = mix(wall, WHITE, 2, 3);
    if random.one_in(2) {
        let sun = (random.pick(&[-750, 750]), random.between(-800, -600));
        scene.paint(ellipse(sun, (170, 170)), [250, 225, 120]);
    }
    scene.paint(ellipse((0, 2300), (4000, 1650)), meadow);
    scene.paint(rectangle((330, -800), (480, -200)), mix(wall, BLACK, 1, 3));
    let half = random.between(560, 660);
    scene.paint(rectangle((-half, -150), (half, 760)), wall);
    scene.paint(polygon(&[(-half - 110, -130), (0, -780), (half + 110, -130)]), roof);
    scene.paint_both_sides(rectangle((-430, 10), (-150, 310)), frame);
    scene.paint_both_sides(rectangle((-400, 40), (-180, 280)), glass);
    scene.paint_both_sides(stroke((-290, 40), (-290, 280), 16), frame);
    scene.paint_both_sides(stroke((-400, 160), (-180, 160), 16), frame);
    if random.one_in(2) {
        scene.paint(ellipse((0, -360), (105, 105)), frame);
        scene.paint(ellipse((0, -360), (75, 75)), glass);
    }
    let door_at = random.pick(&[-300, 0, 300]);
    scene.paint(rectangle((door_at - 120, 400), (door_at + 120, 760)), door);
    scene.paint(ellipse((door_at + 75, 590), (24, 24)), [240, 215, 130]);
    scene
}

fn background(random: &mut Draws) -> Scene {
    let (top, bottom) = random.pick(&BACKGROUNDS);
    Scene::empty(stray(top, random), stray(bottom, random))
}

fn stray(colour: Colour, random: &mut Draws) -> Colour {
    colour.map(|channel| (channel + random.between(-STRAY, STRAY)).clamp(0, 255))
}

fn ellipse(centre: Point, radii: Point) -> Shape {
    Shape::Ellipse { centre, radii }
}

fn polygon(corners: &[Point]) -> Shape {
    Shape::Polygon(corners.to_vec())
}

fn rectangle((left, top): Point, (right, bottom): Point) -> Shape {
    Shape::Polygon(vec![(left, top), (right, top), (right, bottom), (left, bottom)])
}

fn stroke(from: Point, to: Point, half_width: i32) -> Shape {
    Shape::Stroke { from, to, half_width }
}
