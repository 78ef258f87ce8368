//! Pictures as SVG: text and lines only, colours for light and dark backgrounds, no script.

use std::fmt::Write;

use crate::plan::drawing::{Rect, arrange};
use crate::plan::picture::Picture;

/// Where a drawing is shown, which decides where it takes its text colour from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Setting {
    /// As a file: the viewer's light or dark mode.
    File,
    /// Inside a page: the page's.
    Page,
}

/// Fills and outlines are translucent or of middle lightness, so that they do on white and on black.
const STYLE: &str = "\
.rp-svg{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12px}\
.rp-svg text{fill:currentColor}\
.rp-svg .rp-name{opacity:.55}.rp-svg .rp-detail{font-size:10.5px;opacity:.7}\
.rp-svg .rp-frame{fill:#8b949e14;stroke:#8b949e;stroke-dasharray:5 3}\
.rp-svg .rp-edge{fill:none;stroke:#8b949e;stroke-width:1.2}\
.rp-svg .rp-card rect{stroke-width:1.2}\
.rp-svg .rp-input rect{fill:#3fb95022;stroke:#3a9d4a}\
.rp-svg .rp-op rect,.rp-svg .rp-kernel rect{fill:#388bfd22;stroke:#4184d6}\
.rp-svg .rp-view rect{fill:#8b949e1c;stroke:#8b949e}\
.rp-svg .rp-result rect{fill:#d2992233;stroke:#c08a1e;stroke-width:2}";

/// The picture as SVG.
pub(super) fn svg(picture: &Picture, setting: Setting) -> String {
    const MARGIN: f64 = 10.0;
    let drawing = arrange(picture);
    let (width, height) = (drawing.width + 2.0 * MARGIN, drawing.height + 2.0 * MARGIN);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"rp-svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"-{MARGIN} -{MARGIN} {width:.0} {height:.0}\" role=\"img\">\n<style>{STYLE}"
    );
    if setting == Setting::File {
        text.push_str(".rp-svg{color:#1f2328}@media(prefers-color-scheme:dark){.rp-svg{color:#e6edf3}}");
    }
    text.push_str(
        "</style>\n<defs><marker id=\"rp-arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#8b949e\"/></marker></defs>\n",
    );
    for (title, Rect { x, y, width, height }) in picture.frames.iter().zip(&drawing.frames) {
        let _ = writeln!(
            text,
            "<rect class=\"rp-frame\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"8\"/>\
             <text class=\"rp-detail\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + 8.0,
            y + 13.0,
            escaped(title)
        );
    }
    for ((from, to), path) in picture.edges.iter().zip(&drawing.paths) {
        let _ = writeln!(
            text,
            "<path class=\"rp-edge\" data-from=\"{}\" data-to=\"{}\" d=\"{}\" marker-end=\"url(#rp-arrow)\"/>",
            picture.cards[*from].name,
            picture.cards[*to].name,
            curve(path)
        );
    }
    for (card, Rect { x, y, width, height }) in picture.cards.iter().zip(&drawing.cards) {
        let result = if card.is_result { " rp-result" } else { "" };
        let _ = writeln!(
            text,
            "<g class=\"rp-card rp-{}{result}\" data-node=\"{}\"><rect x=\"{x:.1}\" y=\"{y:.1}\" \
             width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\"><tspan class=\"rp-name\">{}</tspan> {}</text>\
             <text class=\"rp-detail\" x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
            card.look.name(),
            card.name,
            x + 8.0,
            y + 17.0,
            card.name,
            escaped(&card.title),
            x + 8.0,
            y + 32.0,
            escaped(&card.detail),
        );
    }
    text.push_str("</svg>\n");
    text
}

/// A path through points that leaves and reaches each of them vertically.
pub(super) fn curve(points: &[(f64, f64)]) -> String {
    let mut path = String::new();
    let mut last: Option<(f64, f64)> = None;
    for &(x, y) in points {
        let _ = match last {
            None => write!(path, "M{x:.1} {y:.1}"),
            Some((from_x, from_y)) if (from_x - x).abs() < 0.5 || (from_y - y).abs() < 0.5 => {
                write!(path, "L{x:.1} {y:.1}")
            }
            Some((from_x, from_y)) => {
                let middle = (from_y + y) / 2.0;
                write!(path, "C{from_x:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}")
            }
        };
        last = Some((x, y));
    }
    path
}

/// As text of XML and HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
