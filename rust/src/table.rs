//! Reads parquet files row by row through the caller's function.

use crate::ffi::{guarded, ExpoBytes};
use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, FileReader, Length, SerializedFileReader};
use parquet::record::reader::RowIter;
use std::ffi::c_void;
use std::io::{Error, Read};

type ReadAt = unsafe extern "C" fn(*mut c_void, u64, *mut u8, usize) -> bool;

#[derive(Clone, Copy)]
struct Source {
    context: *mut c_void,
    read_at: ReadAt,
    size: u64,
}

// Sound, because the caller reads from one thread at a time.
unsafe impl Send for Source {}
unsafe impl Sync for Source {}

impl Source {
    fn read_exactly(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        match unsafe { (self.read_at)(self.context, offset, out.as_mut_ptr(), out.len()) } {
            true => Ok(()),
            false => Err(Error::other("the file cannot be read")),
        }
    }

    fn rest_at(&self, offset: u64) -> u64 {
        self.size.saturating_sub(offset)
    }
}

struct From {
    source: Source,
    offset: u64,
}

impl Read for From {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = self.source.rest_at(self.offset).min(out.len() as u64) as usize;
        self.source.read_exactly(self.offset, &mut out[..length])?;
        self.offset += length as u64;
        Ok(length)
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Source {
    type T = std::io::BufReader<From>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(std::io::BufReader::new(From { source: *self, offset: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if length as u64 > self.rest_at(start) {
            return Err(ParquetError::EOF("a column lies beyond the end of the file".into()));
        }
        let mut out = vec![0; length];
        self.read_exactly(start, &mut out)?;
        Ok(out.into())
    }
}

pub struct ExpoTable {
    rows: RowIter<'static>,
    count: u64,
}

fn open(source: Source) -> Result<ExpoTable, String> {
    let reader = SerializedFileReader::new(source).map_err(|e| e.to_string())?;
    let count = reader.metadata().file_metadata().num_rows().max(0) as u64;
    let rows = RowIter::from_file_into(Box::new(reader));
    Ok(ExpoTable { rows, count })
}

#[no_mangle]
pub unsafe extern "C" fn expo_table_new(
    context: *mut c_void,
    read_at: ReadAt,
    size: u64,
    error: *mut ExpoBytes,
) -> *mut ExpoTable {
    guarded(error, || open(Source { context, read_at, size }))
        .map_or(std::ptr::null_mut(), |table| Box::into_raw(Box::new(table)))
}

#[no_mangle]
pub unsafe extern "C" fn expo_table_free(table: *mut ExpoTable) {
    if !table.is_null() {
        drop(Box::from_raw(table));
    }
}

#[no_mangle]
pub unsafe extern "C" fn expo_table_rows(table: *const ExpoTable) -> u64 {
    (*table).count
}

#[no_mangle]
pub unsafe extern "C" fn expo_table_next(
    table: *mut ExpoTable,
    row: *mut ExpoBytes,
    error: *mut ExpoBytes,
) -> i32 {
    let next = guarded(error, || match (*table).rows.next() {
        None => Ok(None),
        Some(Ok(found)) => Ok(Some(found.to_json_value().to_string())),
        Some(Err(e)) => Err(e.to_string()),
    });
    match next {
        None => -1,
        Some(None) => 0,
        Some(Some(json)) => {
            *row = json.into();
            1
        }
    }
}
