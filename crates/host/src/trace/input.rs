//! Where the bytes of a trace come from: a file or standard input, as it is or compressed.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 17;

/// How many times its size a compressed file may grow. What gzip makes grows 1032-fold at most, and traces some ten- to hundredfold.
const MOST_GROWTH: u64 = 2000;
/// Bytes that any compressed file may grow to.
const ALWAYS_FREE: u64 = 16 << 20;

/// Opens `path`, or standard input where it is `-`.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return decompressed(BufReader::with_capacity(BUFFER, io::stdin()));
    }
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    decompressed(BufReader::with_capacity(BUFFER, file))
}

/// Takes off a compression that the first bytes tell: gzip or Zstandard.
pub(super) fn decompressed(input: impl BufRead + 'static) -> io::Result<Box<dyn BufRead>> {
    let (head, input) = peek(input, 4)?;
    let read = Rc::new(Cell::new(0));
    Ok(match head[..] {
        [0x1f, 0x8b, ..] => grown(MultiGzDecoder::new(Counted { input, read: read.clone() }), read),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let input = Counted { input, read: read.clone() };
            grown(Frames { input, decoder: FrameDecoder::new(), is_open: false }, read)
        }
        _ => Box::new(input),
    })
}

fn grown(input: impl Read + 'static, read: Rc<Cell<u64>>) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(BUFFER, Grown { input, read, given: 0 }))
}

/// Counts what is read of a compressed file.
struct Counted<R> {
    input: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.read.set(self.read.get() + count as u64);
        self.input.consume(count);
    }
}

/// What is decompressed, as long as it is not so much more than what was read that somebody must have meant it to fill the machine.
struct Grown<R> {
    input: R,
    /// Bytes of the compressed file.
    read: Rc<Cell<u64>>,
    given: u64,
}

impl<R: Read> Read for Grown<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.given += count as u64;
        if self.given > ALWAYS_FREE.max(self.read.get().saturating_mul(MOST_GROWTH)) {
            return Err(io::Error::other(format!(
                "decompressed it is more than {MOST_GROWTH} times as large: if that is meant, decompress it first and give the file that comes of it"
            )));
        }
        Ok(count)
    }
}

/// Up to `count` bytes that come first, and the input as it was. A pipe may give a byte at a time.
pub(super) fn peek<R: BufRead>(mut input: R, count: u64) -> io::Result<(Vec<u8>, impl BufRead + use<R>)> {
    let mut head = Vec::new();
    input.by_ref().take(count).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(input)))
}

/// All frames of a Zstandard file, one after the other, as `zstd` reads them.
struct Frames<R> {
    input: R,
    decoder: FrameDecoder,
    is_open: bool,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.is_open {
                if self.input.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.reset(&mut self.input) {
                    Ok(()) => self.is_open = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length,
                        ..
                    })) => {
                        io::copy(&mut self.input.by_ref().take(u64::from(length)), &mut io::sink())?;
                        continue;
                    }
                    Err(error) => return Err(io::Error::other(error)),
                }
            }
            while self.decoder.can_collect() < out.len() && !self.decoder.is_finished() {
                let more = BlockDecodingStrategy::UptoBytes(out.len() - self.decoder.can_collect());
                self.decoder.decode_blocks(&mut self.input, more).map_err(io::Error::other)?;
            }
            let count = self.decoder.read(out)?;
            if count > 0 {
                return Ok(count);
            }
            self.is_open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn read(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        decompressed(Cursor::new(bytes))?.read_to_end(&mut all)?;
        Ok(all)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    #[test]
    fn every_part_of_a_compressed_file_is_read_and_what_is_cut_off_is_an_error() {
        let text: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        assert_eq!(read(text.clone()).unwrap(), text);
        for compress in [gzip, zstd] {
            let once = compress(&text);
            assert_eq!(read(once.clone()).unwrap(), text);
            let (half, rest) = text.split_at(text.len() / 3);
            assert_eq!(read([compress(half), compress(b""), compress(rest)].concat()).unwrap(), text);
            assert!(read(once[..once.len() - 9].to_vec()).is_err());
        }
        let skippable = [&0x184D_2A53_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"???"].concat();
        assert_eq!(read([zstd(b"ab"), skippable, zstd(b"c")].concat()).unwrap(), b"abc");
        assert_eq!(read(vec![]).unwrap(), b"");
        assert_eq!(read(vec![0x1f]).unwrap(), [0x1f]);
    }

    /// A frame of blocks that each say one byte 128 KiB long: 4 bytes for 131072.
    fn bomb(blocks: usize) -> Vec<u8> {
        let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
        for block in 1..=blocks {
            let header = (1_u32 << 17) << 3 | 1 << 1 | u32::from(block == blocks);
            bytes.extend_from_slice(&header.to_le_bytes()[..3]);
            bytes.push(b'#');
        }
        bytes
    }

    #[test]
    fn small_file_that_would_fill_the_machine_is_an_error_that_says_so() {
        assert_eq!(read(bomb(8)).unwrap().len(), 1 << 20, "a little may grow as it likes");
        let error = read(bomb(1000)).unwrap_err().to_string();
        assert!(
            error.contains("more than 2000 times as large") && error.contains("decompress it first"),
            "{error}"
        );
        let zeros = gzip(&vec![0; 20 << 20]);
        assert!(read(zeros).is_ok(), "gzip can't grow so much");
    }
}
