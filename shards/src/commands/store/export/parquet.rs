//! Rows as Apache Parquet, compressed with Snappy. Rows are gathered column by column and written in
//! groups: what is in memory is one group of at most [`GROUP`] rows. Pure but for the writer it is
//! given.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Result, bail};
use arrow_array::builder::{
    BooleanBuilder, StringBuilder, TimestampMillisecondBuilder, UInt32Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::Sink;
use super::rows::{Cell, Column, Kind};

/// Rows of a group.
const GROUP: usize = 65_536;

/// All times are in it.
const UTC: &str = "UTC";

/// See the module.
pub(super) struct Parquet<W: Write + Send> {
    writer: ArrowWriter<W>,
    schema: Arc<Schema>,
    columns: Vec<Gathered>,
    rows: usize,
}

/// The cells of one column, of the present group.
enum Gathered {
    Text(StringBuilder),
    Number(UInt32Builder),
    Flag(BooleanBuilder),
    Time(TimestampMillisecondBuilder),
}

impl Gathered {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text | Kind::Json => Gathered::Text(StringBuilder::new()),
            Kind::Number => Gathered::Number(UInt32Builder::new()),
            Kind::Flag => Gathered::Flag(BooleanBuilder::new()),
            Kind::Time => Gathered::Time(TimestampMillisecondBuilder::new().with_timezone(UTC)),
        }
    }

    fn add(&mut self, cell: Cell<'_>) -> Result<()> {
        match (self, cell) {
            (Gathered::Text(column), Cell::Text(text) | Cell::Json(text)) => {
                column.append_value(text);
            }
            (Gathered::Text(column), Cell::Nothing) => column.append_null(),
            (Gathered::Number(column), Cell::Number(number)) => column.append_value(number),
            (Gathered::Number(column), Cell::Nothing) => column.append_null(),
            (Gathered::Flag(column), Cell::Flag(flag)) => column.append_value(flag),
            (Gathered::Flag(column), Cell::Nothing) => column.append_null(),
            (Gathered::Time(column), Cell::Time(time)) => {
                column.append_value(i64::try_from(time.0)?);
            }
            (Gathered::Time(column), Cell::Nothing) => column.append_null(),
            (_, _) => bail!("a cell is not of its column's kind"),
        }
        Ok(())
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Gathered::Text(column) => Arc::new(column.finish()),
            Gathered::Number(column) => Arc::new(column.finish()),
            Gathered::Flag(column) => Arc::new(column.finish()),
            Gathered::Time(column) => Arc::new(column.finish()),
        }
    }
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn begin(out: W, columns: &[Column]) -> Result<Self> {
        let fields = columns.iter().map(|column| {
            let kind = match column.kind {
                Kind::Text | Kind::Json => DataType::Utf8,
                Kind::Number => DataType::UInt32,
                Kind::Flag => DataType::Boolean,
                Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
            };
            Field::new(column.name, kind, column.optional)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties.build()))?;
        let columns = columns.iter().map(|column| Gathered::of(column.kind)).collect();
        Ok(Self { writer, schema, columns, rows: 0 })
    }

    fn write_group(&mut self) -> Result<()> {
        if self.rows > 0 {
            let columns = self.columns.iter_mut().map(Gathered::take).collect();
            self.writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), columns)?)?;
            self.writer.flush()?;
            self.rows = 0;
        }
        Ok(())
    }
}

impl<W: Write + Send> Sink for Parquet<W> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.add(*cell)?;
        }
        self.rows += 1;
        if self.rows == GROUP { self.write_group() } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.write_group()?;
        self.writer.close()?;
        Ok(())
    }
}
