//! A chart of what each policy costs at each capacity, as SVG for a light or a dark page.

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// What one policy does.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name in the legend. `default` stands out.
    pub name: String,
    /// Whether it is grey, wide and dashed, as what no policy does better than.
    pub dashed: bool,
    /// Capacity (above 0) and the value there (0 or more), in any order; at least one.
    pub points: Vec<(f64, f64)>,
}

/// Lines over capacities: powers of two are evenly spaced, which is said beside them, and values begin at 0.
#[derive(Clone, Copy, Debug)]
pub struct Chart<'a> {
    /// What stands above it.
    pub title: &'a str,
    /// What stands below that, smaller.
    pub subtitle: &'a str,
    /// What the capacities are, with their unit.
    pub x_label: &'a str,
    /// What the values are, with their unit.
    pub y_label: &'a str,
    /// The lines. Colours, dashes and markers go by their order, the legend by where they end. Of up to 18 no two look alike.
    pub lines: &'a [Line],
}

/// Why there is no chart.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// There is nothing to draw.
    #[error("a chart needs at least one line, and each line at least one point")]
    Empty,
    /// A point has no place.
    #[error(
        "line '{}' has the point ({x}, {y}); expected a capacity from {LEAST} to {MOST} and a value from 0 to {MOST}, \
         such as (8, 120.5)",
        name.escape_debug()
    )]
    Point {
        /// The line.
        name: String,
        /// The capacity.
        x: f64,
        /// The value.
        y: f64,
    },
    /// The drawing crate failed.
    #[error("the chart can't be drawn: {0}")]
    Drawing(String),
}

/// Wider than any capacity or time, and labels stay short.
const LEAST: f64 = 1e-6;
const MOST: f64 = 1e9;

const HEIGHT: u32 = 480;
const PLOT_WIDTH: u32 = 640;
/// Pixels that a letter takes at most, on average.
const LETTER: u32 = 9;
const LONGEST_NAME: usize = 40;
const LONGEST_TITLE: usize = 80;
const LONGEST_SUBTITLE: usize = 120;
/// Beside the capacities.
const LOGARITHMIC: &str = ", logarithmic scale";
const LONGEST_LABEL: usize = 45;

/// Text, axes and the optimum: a grey that can be read on white and on black, for viewers that heed no style sheet.
const INK: RGBColor = RGBColor(0x7A, 0x7A, 0x7A);
const STYLE: &str = "<style>
@media (prefers-color-scheme: light) { [fill=\"#7A7A7A\"] { fill: #24292F } [stroke=\"#7A7A7A\"] { stroke: #24292F } }
@media (prefers-color-scheme: dark) { [fill=\"#7A7A7A\"] { fill: #E6EDF3 } [stroke=\"#7A7A7A\"] { stroke: #E6EDF3 } }
</style>
";
/// The colours of Okabe and Ito, which the colour-blind can tell apart, without those that vanish on white or black.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0xCC, 0x79, 0xA7),
];
/// The lengths of a dash and of what is between two; `None` is a line without gaps. With 6 colours that makes 18 lines.
const DASHES: [Option<(u32, u32)>; 3] = [None, Some((10, 4)), Some((2, 4))];
/// Corners of markers around their middle. One more marker is round: 6 colours and 7 markers give 42 different pairs.
#[rustfmt::skip]
const MARKERS: [&[(i32, i32)]; 6] = [
    &[(-4, -4), (4, -4), (4, 4), (-4, 4)],
    &[(0, -6), (5, 4), (-5, 4)],
    &[(0, -6), (6, 0), (0, 6), (-6, 0)],
    &[(0, 6), (5, -4), (-5, -4)],
    // Crosses, upright and lying.
    &[(-2, -6), (2, -6), (2, -2), (6, -2), (6, 2), (2, 2), (2, 6), (-2, 6), (-2, 2), (-6, 2), (-6, -2), (-2, -2)],
    &[(0, -3), (3, -6), (6, -3), (3, 0), (6, 3), (3, 6), (0, 3), (-3, 6), (-6, 3), (-3, 0), (-6, -3), (-3, -6)],
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

impl Chart<'_> {
    /// The text of an SVG file: the same bytes for the same chart.
    ///
    /// # Errors
    /// If there is nothing to draw, or a point has no place on the axes.
    pub fn svg(&self) -> Result<String, ChartError> {
        if self.lines.is_empty() || self.lines.iter().any(|line| line.points.is_empty()) {
            return Err(ChartError::Empty);
        }
        for line in self.lines {
            let is_wrong = |(x, y): &(f64, f64)| !((LEAST..=MOST).contains(x) && (0.0..=MOST).contains(y));
            if let Some(&(x, y)) = line.points.iter().find(|point| is_wrong(point)) {
                return Err(ChartError::Point { name: line.name.clone(), x, y });
            }
        }
        let longest = self.lines.iter().map(|line| text(&line.name, LONGEST_NAME).chars().count()).max();
        let legend = 80 + LETTER * longest.unwrap_or_default() as u32;
        let mut svg = String::new();
        self.draw(&mut svg, legend).map_err(|error| ChartError::Drawing(error.to_string()))?;
        let title = format!("<title>{}</title>\n{STYLE}", escaped(&text(self.title, usize::MAX)));
        Ok(svg.replacen("<svg ", "<svg role=\"img\" ", 1).replacen(">\n", &format!(">\n{title}"), 1))
    }

    fn draw(&self, svg: &mut String, legend: u32) -> Drawn {
        let root = SVGBackend::with_string(svg, (PLOT_WIDTH + legend, HEIGHT)).into_drawing_area();
        let heading = style(19).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(text(self.title, LONGEST_TITLE), (16, 20), heading))?;
        let below = style(14).pos(Pos::new(HPos::Left, VPos::Center));
        root.draw(&Text::new(text(self.subtitle, LONGEST_SUBTITLE), (16, 42), below))?;
        let (plot, beside) = root.split_horizontally(PLOT_WIDTH);

        let all = || self.lines.iter().flat_map(|line| &line.points);
        let mut capacities: Vec<f64> = all().map(|point| point.0).collect();
        capacities.sort_by(f64::total_cmp);
        capacities.dedup();
        let (first, last) = (capacities[0], capacities[capacities.len() - 1]);
        // Room beside the first and the last; a lone one stands in the middle.
        let margin = if first < last { (last / first).powf(0.03) } else { 2.0 };
        let x_axis = (first / margin..last * margin).log_scale().with_key_points(ticks(&capacities));
        let most = all().map(|point| point.1).fold(0.0, f64::max);
        let top = if most > LEAST { most * 1.05 } else { 1.0 };
        let digits = short(top).len().max(4) as u32;
        let mut chart = ChartBuilder::on(&plot)
            .margin_top(60)
            .margin_right(12)
            .margin_bottom(8)
            .margin_left(8)
            .x_label_area_size(48)
            .y_label_area_size(36 + LETTER * digits)
            .build_cartesian_2d(x_axis, 0.0..top)?;
        chart
            .configure_mesh()
            .bold_line_style(INK.mix(0.25))
            .light_line_style(TRANSPARENT)
            .axis_style(INK)
            .label_style(style(16))
            .axis_desc_style(style(17))
            .x_desc(text(self.x_label, LONGEST_LABEL) + LOGARITHMIC)
            .y_desc(text(self.y_label, LONGEST_LABEL))
            .x_label_formatter(&|capacity| short(*capacity))
            .y_labels(9)
            .y_label_formatter(&|value| short(*value))
            .draw()?;

        let mut ends = Vec::new();
        // Wide lines first, so that narrow ones can be seen on them.
        let (wide, narrow): (Vec<_>, Vec<_>) =
            self.lines.iter().enumerate().partition(|(_, line)| width(line) > NARROW);
        for (place, line) in wide.into_iter().chain(narrow) {
            let mut points = line.points.clone();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let path: Vec<_> = points.iter().map(|point| chart.backend_coord(point)).collect();
            draw_line(&root, place, line, &path, &path)?;
            ends.push((path[path.len() - 1].1, place));
        }
        ends.sort_unstable();
        let step = (HEIGHT - 90) as usize / ends.len().max(14);
        for (row, (_, place)) in ends.into_iter().enumerate() {
            let line = &self.lines[place];
            let y = 70 + (row * step) as i32;
            draw_line(&beside, place, line, &[(4, y), (52, y)], &[(28, y)])?;
            let label = style(16).pos(Pos::new(HPos::Left, VPos::Center));
            beside.draw(&Text::new(text(&line.name, LONGEST_NAME), (58, y), label))?;
        }
        root.present()
    }
}

/// Draws the `place`th line along `path`, with its markers.
fn draw_line(
    area: &Area<'_>,
    place: usize,
    line: &Line,
    path: &[(i32, i32)],
    markers: &[(i32, i32)],
) -> Drawn {
    let colour = if line.dashed { INK } else { COLOURS[place % COLOURS.len()] };
    let stroke = colour.stroke_width(width(line));
    let dashes = if line.dashed { Some((7, 5)) } else { DASHES[place / COLOURS.len() % DASHES.len()] };
    match dashes {
        Some((long, gap)) => area.draw(&DashedPathElement::new(path.iter().copied(), long, gap, stroke))?,
        None => area.draw(&PathElement::new(path, stroke))?,
    }
    for &(x, y) in markers {
        match MARKERS.get(place % (MARKERS.len() + 1)) {
            Some(corners) => {
                let corners: Vec<_> = corners.iter().map(|(right, down)| (x + right, y + down)).collect();
                area.draw(&Polygon::new(corners, colour))?;
            }
            None => area.draw(&Circle::new((x, y), 5, colour.filled()))?,
        }
    }
    Ok(())
}

const NARROW: u32 = 2;

fn width(line: &Line) -> u32 {
    if line.name == "default" || line.dashed { 4 } else { NARROW }
}

fn style(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// The capacities, but those whose labels would touch the one before.
fn ticks(capacities: &[f64]) -> Vec<f64> {
    let span = (capacities[capacities.len() - 1] / capacities[0]).log2();
    let mut ticks: Vec<f64> = Vec::new();
    for &capacity in capacities {
        let room = |before: &f64| (capacity / before).log2() / span * f64::from(PLOT_WIDTH - 140);
        let taken = short(capacity).len() as f64 * f64::from(LETTER) + 4.0;
        if ticks.last().is_none_or(|before| room(before) >= taken) {
            ticks.push(capacity);
        }
    }
    ticks
}

/// A number with three digits, or more before the point, and no zeros at its end.
fn short(number: f64) -> String {
    let digits = (2.0 - number.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{number:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// At most so many letters of `text`, and only such as may be in XML.
fn text(text: &str, most: usize) -> String {
    let is_wrong = |letter: char| letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}');
    let mut letters = text.chars().map(|letter| if is_wrong(letter) { '\u{fffd}' } else { letter });
    let mut short: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        short.pop();
        short.push('…');
    }
    short
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line { name: name.to_owned(), dashed: name == "optimum", points: points.to_vec() }
    }

    fn svg(title: &str, lines: &[Line]) -> Result<String, ChartError> {
        let subtitle = "3 requests <of> 2 keys";
        Chart { title, subtitle, x_label: "idle environments", y_label: "open seconds", lines }.svg()
    }

    /// All that is written somewhere, in order.
    fn texts(document: &Document<'_>) -> Vec<String> {
        let texts = document.descendants().filter(|node| node.has_tag_name("text"));
        texts.map(|node| node.text().unwrap_or_default().trim().to_owned()).collect()
    }

    /// The polylines of a colour and width.
    fn polylines(svg: &str, colour: &str, width: &str) -> usize {
        let document = Document::parse(svg).unwrap();
        let is_wanted = |node: &Node<'_, '_>| {
            node.has_tag_name("polyline")
                && node.attribute("stroke") == Some(colour)
                && node.attribute("stroke-width") == Some(width)
        };
        document.descendants().filter(is_wanted).count()
    }

    #[test]
    fn names_are_shown_and_escaped_and_long_ones_shortened() {
        let name = "a<b>&'c'\"d\u{1}";
        let svg = svg(name, &[line(name, &[(2.0, 1.0), (4.0, 0.5)]), line(&"x".repeat(99), &[(2.0, 2.0)])]);
        let svg = svg.unwrap();
        let document = Document::parse(&svg).unwrap();
        let (shown, short) = ("a<b>&'c'\"d\u{fffd}", format!("{}…", "x".repeat(39)));
        assert_eq!(texts(&document).iter().filter(|text| *text == shown).count(), 2, "title and legend");
        for expected in
            [&short, "idle environments, logarithmic scale", "open seconds", "3 requests <of> 2 keys"]
        {
            assert!(texts(&document).iter().any(|text| text == expected), "{expected}");
        }
        let title = document.root_element().first_element_child().unwrap();
        assert_eq!((title.tag_name().name(), title.text()), ("title", Some(shown)));
    }

    #[test]
    fn the_optimum_is_dashed_and_it_and_the_default_are_wide() {
        let points = [(2.0, 9.0), (4.0, 5.0), (8.0, 4.0)];
        let svg =
            svg("t", &[line("Lru", &points), line("default", &points), line("optimum", &points)]).unwrap();
        // Each has one in the plot and one in the legend, but a dashed one many.
        assert_eq!((polylines(&svg, "#0072B2", "2"), polylines(&svg, "#E69F00", "4")), (2, 2));
        assert!(polylines(&svg, "#7A7A7A", "4") > 20);
    }

    #[test]
    fn a_dark_page_gets_light_text_and_no_background_is_painted() {
        let svg = svg("t", &[line("Lru", &[(2.0, 1.0)])]).unwrap();
        assert!(svg.contains("@media (prefers-color-scheme: dark) { [fill=\"#7A7A7A\"] { fill: #E6EDF3 }"));
        let document = Document::parse(&svg).unwrap();
        let of_text = document.descendants().filter(|node| node.has_tag_name("text"));
        assert!(of_text.into_iter().all(|node| node.attribute("fill") == Some("#7A7A7A")));
        assert!(!document.descendants().any(|node| node.has_tag_name("rect")));
    }

    #[test]
    fn ticks_stand_at_the_capacities_unless_they_would_touch() {
        let labels = |capacities: &[f64]| -> Vec<String> {
            let points: Vec<_> = capacities.iter().map(|&capacity| (capacity, 0.0)).collect();
            let svg = svg("t", &[line("Lru", &points)]).unwrap();
            let texts = texts(&Document::parse(&svg).unwrap());
            let known: Vec<String> = capacities.iter().copied().map(short).collect();
            texts.into_iter().filter(|text| known.contains(text)).collect()
        };
        assert_eq!(labels(&[32.0, 2.0, 8.0, 4.0, 16.0]), ["2", "4", "8", "16", "32"]);
        assert_eq!(labels(&[1.25, 2.0 + 1e-9, 1000.0 / 3.0, 4096.0]), ["1.25", "2", "333", "4096"]);
        assert_eq!(labels(&[2.0, 1000.0, 1001.0, 2000.0]), ["2", "1000", "2000"]);
    }

    #[test]
    fn degenerate_charts_are_drawn_within_their_bounds() {
        let crowd: Vec<Line> = (0..20).map(|i| line(&format!("P{i}"), &[(8.0, 7.0), (64.0, 7.0)])).collect();
        for lines in [
            &[line("one point", &[(8.0, 3.0)])][..],
            &[line("zeros", &[(2.0, 0.0), (4.0, 0.0)]), line("optimum", &[(2.0, 0.0)])],
            &[line("one capacity", &[(8.0, 0.0)]), line("b", &[(8.0, 5.0), (8.0, 5.0)])],
            &[line("extremes", &[(LEAST, 0.0), (MOST, MOST)])],
            &[line("tiny", &[(1.0, 1e-300), (1.0 + f64::EPSILON, 1e-15)])],
            &crowd,
        ] {
            let svg = svg("t", lines).unwrap();
            assert_eq!(svg, super::tests::svg("t", lines).unwrap(), "the same bytes each time");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            let document = Document::parse(&svg).unwrap();
            let width: f64 = document.root_element().attribute("width").unwrap().parse().unwrap();
            let of = |name| {
                let values = document.descendants().filter_map(move |node| node.attribute(name));
                values.map(|value| value.parse::<f64>().unwrap()).collect::<Vec<_>>()
            };
            assert!(
                ["x", "x1", "x2", "cx"].iter().flat_map(|name| of(*name)).all(|x| (0.0..width).contains(&x))
            );
            assert!(
                ["y", "y1", "y2", "cy"].iter().flat_map(|name| of(*name)).all(|y| (0.0..480.0).contains(&y))
            );
            let rows: Vec<f64> = of("y").into_iter().rev().take(lines.len()).collect();
            assert!(rows.windows(2).all(|pair| pair[0] - pair[1] >= 14.0), "the legend's rows are apart");
        }
    }

    #[test]
    fn no_two_of_eighteen_lines_have_the_same_colour_and_dashes() {
        let looks: Vec<_> = (0..18).map(|place| (COLOURS[place % 6], DASHES[place / 6 % 3])).collect();
        for (place, look) in looks.iter().enumerate() {
            assert!(!looks[..place].contains(look), "{place}");
        }
        // And they are drawn so: a dotted line is many short ones.
        let lines: Vec<Line> = (0..13).map(|i| line(&format!("P{i}"), &[(2.0, 7.0), (64.0, 7.0)])).collect();
        let svg = svg("t", &lines).unwrap();
        let drawn = polylines(&svg, "#0072B2", "2");
        assert!(drawn > 2 + 2 * 30, "the first is whole, the seventh dashed, the thirteenth dotted: {drawn}");
    }

    #[test]
    fn what_has_no_place_is_refused_by_name() {
        assert_eq!(svg("t", &[]), Err(ChartError::Empty));
        assert_eq!(svg("t", &[line("Lru", &[])]), Err(ChartError::Empty));
        for (x, y) in [(0.0, 1.0), (-2.0, 1.0), (2.0, -1.0), (2.0, f64::INFINITY), (1e-320, 1.0), (1e10, 1.0)]
        {
            let error = svg("t", &[line("Lru", &[(2.0, 1.0), (x, y)])]).unwrap_err();
            assert_eq!(error, ChartError::Point { name: "Lru".to_owned(), x, y });
        }
        assert_eq!(
            svg("t", &[line("L\n", &[(f64::NAN, 1.0)])]).unwrap_err().to_string(),
            "line 'L\\n' has the point (NaN, 1); expected a capacity from 0.000001 to 1000000000 and a value from \
             0 to 1000000000, such as (8, 120.5)"
        );
    }
}
