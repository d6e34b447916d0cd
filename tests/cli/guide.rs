//! docs/guide.md, followed as it stands: every command, in its order, in one folder.

use std::process::Command;

use crate::bench::Bench;

const GUIDE: &str = include_str!("../../docs/guide.md");

/// The guide's blocks of code, in order: language and text.
fn blocks() -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in GUIDE.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, text))) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of the guide does not end");
    blocks
}

/// An image file of 24 by 24 pixels in one colour with some noise, that tells its class.
fn png(class: u8, number: u8) -> Vec<u8> {
    const SIDE: u8 = 24;
    let mut noise = u32::from(class) * 97 + u32::from(number) * 31 + 1;
    let mut rows = Vec::new();
    for _ in 0..SIDE {
        rows.extend([0]);
        for channel in (0..SIDE).flat_map(|_| 0..3) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            rows.push(if channel == class { 170 } else { 50 } + (noise >> 26) as u8);
        }
    }
    let side = [0, 0, 0, SIDE];
    let header = [&side[..], &side, &[8, 2, 0, 0, 0]].concat();
    // zlib with one stored block.
    let length = u16::try_from(rows.len()).unwrap();
    let data = [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &rows, &adler(&rows).to_be_bytes()].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(*b"IHDR", &header), chunk(*b"IDAT", &data), chunk(*b"IEND", &[])].concat()
}

fn adler(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    (b << 16) | a
}

fn chunk(name: [u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [&name[..], content].concat();
    let mut crc = u32::MAX;
    for byte in &named {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], &named, &(!crc).to_be_bytes()].concat()
}

/// Photos of four classes.
fn photos(bench: &Bench) {
    for (class, name) in (0_u8..).zip(["cat", "dog", "fox", "hen"]) {
        std::fs::create_dir_all(bench.path("photos").join(name)).unwrap();
        for number in 0..35 {
            std::fs::write(bench.path("photos").join(name).join(format!("{number}.png")), png(class, number)).unwrap();
        }
    }
}

/// What makes the first pipeline quick enough for a test; the commands stay.
fn smaller(bench: &Bench) {
    let text = bench.read("pipeline.toml");
    let small = [
        ("train = 10_000, validation = 1_000, test = 1_000", "train = 640, validation = 64, test = 64"),
        ("epochs = 4", "epochs = 1"),
        ("images = 200", "images = 32"),
    ];
    let changed = small.iter().fold(text.clone(), |text, (from, to)| text.replacen(from, to, 1));
    if text.contains(small[0].0) {
        bench.write("pipeline.toml", &changed);
    }
}

/// Runs a line as a shell does, with this executable as `planish`.
fn run(bench: &Bench, line: &str) -> (String, String) {
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_planish")).parent().unwrap();
    let path = std::env::join_paths(std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())))
        .unwrap();
    let output = Command::new("sh").args(["-ec", line]).current_dir(bench.path(".")).env("PATH", path).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "the guide's `{line}`:\n{out}{err}");
    (out, err)
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let bench = Bench::new("");
    std::fs::remove_file(bench.path("pipeline.toml")).unwrap();
    photos(&bench);
    let (mut commands, mut said) = (0, std::collections::BTreeMap::new());
    for (language, text) in blocks() {
        match language.as_str() {
            "toml" => {
                let name = text
                    .lines()
                    .next()
                    .and_then(|line| line.strip_prefix("# "))
                    .unwrap_or_else(|| panic!("a file without a name:\n{text}"));
                bench.write(name, &text);
            }
            "sh" => {
                for line in text.lines() {
                    said.insert((commands, line.to_owned()), run(&bench, line));
                    commands += 1;
                    smaller(&bench);
                }
            }
            other => panic!("the guide has a block of `{other}`, which nothing runs"),
        }
    }
    assert!(commands >= 12, "{commands} commands");
    let of = |start: &str| {
        let found: Vec<&(String, String)> = said.iter().filter(|((_, line), _)| line.starts_with(start)).map(|(_, said)| said).collect();
        assert!(!found.is_empty(), "no `{start}` in the guide");
        found
    };
    assert!(of("planish run")[1].0.contains(" 0 ran"), "{:?}", of("planish run")[1]);
    let table = &of("planish run --file photos.toml")[0].0;
    for words in ["| nominal", "| llr", "multi-targeted", "photos, linf 4/255, 30 images"] {
        assert!(table.contains(words), "no `{words}` in\n{table}");
    }
    assert!(of("planish attack")[0].0.contains("robust accuracy"));
    for file in [
        "report.html",
        "robust/model/model.onnx",
        "evidence/evidence/evidence.parquet",
        "evidence/evidence/adversarial.safetensors",
        "model.html",
    ] {
        assert!(bench.path(file).is_file(), "{file} is not there");
    }
    let plan = &of("planish plan --file photos.toml --set attack.seed=1")[0].0;
    assert!(plan.lines().any(|line| line.starts_with("hit") && line.contains("train[")), "{plan}");
    assert!(plan.lines().any(|line| line.starts_with("run") && line.contains("attack[")), "{plan}");
    assert!(of("planish why")[0].0.contains("epochs"), "{:?}", of("planish why")[0]);
}
