//! Writing the nodes of the reverse pass.

use std::collections::{BTreeMap, BTreeSet};

use super::attribute::{int, ints};
use super::dim::Dim;
use super::facts::{Fact, Facts, Sizes};
use super::node::Reading;
use super::tensor;
use super::tensor::signed;
use crate::proto::attribute_proto::AttributeType;
use crate::proto::tensor_proto::DataType;
use crate::proto::{AttributeProto, NodeProto, TensorProto};

/// Why a rule does not cover a node.
pub(crate) type Reason = String;

/// A last index that is behind every axis.
pub(crate) const TO_THE_END: i64 = i64::MAX;

/// Collects the nodes of the reverse pass and the tensors that they need.
pub(crate) struct Emitter {
    pub(crate) facts: Facts,
    pub(crate) nodes: Vec<NodeProto>,
    pub(crate) initializers: Vec<TensorProto>,
    /// Outputs of forward nodes that the model leaves out and the reverse pass needs: first output, position → name.
    pub(crate) requested: BTreeMap<(String, usize), String>,
    opset: i64,
    /// Whether slopes may be infinite where the graph's own values are finite.
    steep: bool,
    taken: BTreeSet<String>,
    count: usize,
    constants: BTreeMap<(i32, Vec<i64>, Vec<u8>), String>,
    shapes: BTreeMap<String, String>,
}

impl Emitter {
    /// `taken` are the names of the forward graph, `steep` whether its slopes may be infinite ([`is_steep`]).
    pub(crate) fn new(facts: Facts, opset: i64, taken: BTreeSet<String>, steep: bool) -> Self {
        Emitter {
            facts,
            nodes: Vec::new(),
            initializers: Vec::new(),
            requested: BTreeMap::new(),
            opset,
            steep,
            taken,
            count: 0,
            constants: BTreeMap::new(),
            shapes: BTreeMap::new(),
        }
    }

    /// A name that nothing has.
    pub(crate) fn fresh(&mut self, what: &str) -> String {
        loop {
            self.count += 1;
            let name = format!("d{}.{what}", self.count);
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// The name itself where nothing has it, else one like it.
    pub(crate) fn plain(&mut self, what: &str) -> String {
        if self.taken.insert(what.to_owned()) { what.to_owned() } else { self.fresh(what) }
    }

    /// Gives a value a second name.
    pub(crate) fn rename(&mut self, value: &str, name: &str) {
        self.nodes.push(NodeProto {
            op_type: Some("Identity".to_owned()),
            input: vec![value.to_owned()],
            output: vec![name.to_owned()],
            ..Default::default()
        });
    }

    /// A node without attributes; returns the name of its value.
    pub(crate) fn op(&mut self, operator: &str, inputs: &[&str]) -> String {
        self.with(operator, inputs, vec![])
    }

    /// A node with attributes.
    pub(crate) fn with(&mut self, operator: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        let name = self.fresh(operator);
        let is_float = |input: &&&str| matches!(self.facts.element(input), DataType::Float | DataType::Double);
        if let Some(element) = inputs.iter().find(is_float).map(|input| self.facts.element(input)) {
            self.facts.insert(&name, Fact::new(element, None));
        }
        self.nodes.push(NodeProto {
            op_type: Some(operator.to_owned()),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.clone()],
            attribute,
            ..Default::default()
        });
        name
    }

    /// A constant tensor; equal ones are kept once.
    pub(crate) fn constant(&mut self, value: TensorProto) -> String {
        let key = (value.data_type(), value.dims.clone(), value.raw_data().to_vec());
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.fresh("constant");
        self.constants.insert(key, name.clone());
        let element = DataType::try_from(value.data_type()).unwrap_or(DataType::Undefined);
        self.facts.insert(&name, Fact::new(element, None));
        self.initializers.push(TensorProto { name: Some(name.clone()), ..value });
        name
    }

    /// A number of the element type of value `like`.
    pub(crate) fn number(&mut self, like: &str, value: f64) -> String {
        self.constant(tensor::of_floats(self.facts.element(like), &[], &[value]))
    }

    /// A list of whole numbers.
    pub(crate) fn list(&mut self, values: &[i64]) -> String {
        self.constant(tensor::of_integers(&[signed(values.len())], values))
    }

    /// Output `index` of a forward node, whether the model uses it or not.
    pub(crate) fn output(&mut self, node: &NodeProto, index: usize) -> String {
        if let Some(name) = node.output_name(index) {
            return name.to_owned();
        }
        let key = (node.output_name(0).unwrap_or_default().to_owned(), index);
        if let Some(name) = self.requested.get(&key) {
            return name.clone();
        }
        let name = self.fresh(node.op_type());
        self.requested.insert(key, name.clone());
        name
    }

    /// The shape of a forward value, as it is when the graph runs.
    pub(crate) fn shape_of(&mut self, value: &str) -> String {
        let known = self.facts.sizes(value).and_then(|sizes| sizes.iter().map(|size| (*size)?.constant()).collect::<Option<Vec<_>>>());
        if let Some(sizes) = known {
            return self.list(&sizes);
        }
        if let Some(name) = self.shapes.get(value) {
            return name.clone();
        }
        let name = self.op("Shape", &[value]);
        self.shapes.insert(value.to_owned(), name.clone());
        name
    }

    /// `value` in the shape of forward value `like`.
    pub(crate) fn reshape_like(&mut self, value: &str, like: &str) -> String {
        let target = self.facts.sizes(like).and_then(|sizes| reshape_target(sizes));
        let target = match target {
            Some(target) => self.list(&target),
            None => self.shape_of(like),
        };
        self.op("Reshape", &[value, &target])
    }

    /// `value` in a shape of which at most one size depends on the number of images.
    pub(crate) fn reshape(&mut self, value: &str, sizes: &Sizes) -> Result<String, Reason> {
        let target = reshape_target(sizes).ok_or("a shape is not known before the model runs")?;
        let target = self.list(&target);
        Ok(self.op("Reshape", &[value, &target]))
    }

    /// The sum over `axes`, which are kept with size one.
    pub(crate) fn sum(&mut self, value: &str, axes: &[usize]) -> String {
        let axes = self.axes(axes);
        self.with("ReduceSum", &[value, &axes], vec![int("keepdims", 1)])
    }

    /// The sums along the last axis, which has `length` entries, of `value` of rank `rank` and the element type of `like`; the axis
    /// is kept with size one.
    ///
    /// A reduction of ONNX Runtime adds in an order that depends on where a row lies in memory, so on the images before it; a product
    /// with a matrix of ones doesn't.
    pub(crate) fn row_sums(&mut self, value: &str, (like, length, rank): (&str, usize, usize)) -> String {
        const COLUMNS: usize = 16;
        const LONGEST: usize = 1 << 16;
        if length > LONGEST {
            return self.sum(value, &[rank.saturating_sub(1)]);
        }
        let dims = [tensor::signed(length), tensor::signed(COLUMNS)];
        let ones = self.constant(tensor::of_floats(self.facts.element(like), &dims, &vec![1.0; length * COLUMNS]));
        let sums = self.op("MatMul", &[value, &ones]);
        self.slice(&sums, (&[0], &[1], &[tensor::signed(rank) - 1]))
    }

    /// The mean over `axes`, which are kept with size one.
    pub(crate) fn mean(&mut self, value: &str, axes: &[usize]) -> String {
        if self.opset < 18 {
            let axes: Vec<i64> = axes.iter().map(|&axis| signed(axis)).collect();
            return self.with("ReduceMean", &[value], vec![ints("axes", &axes), int("keepdims", 1)]);
        }
        let axes = self.axes(axes);
        self.with("ReduceMean", &[value, &axes], vec![int("keepdims", 1)])
    }

    fn axes(&mut self, axes: &[usize]) -> String {
        let axes: Vec<i64> = axes.iter().map(|&axis| signed(axis)).collect();
        self.list(&axes)
    }

    /// Axes of size one, put in at `axes`.
    pub(crate) fn unsqueeze(&mut self, value: &str, axes: &[usize]) -> String {
        let axes = self.axes(axes);
        self.op("Unsqueeze", &[value, &axes])
    }

    /// Sums `value`, which has the shape of forward value `from`, over the axes along which `to` was broadcast to it.
    pub(crate) fn sum_to(&mut self, value: &str, to: &str, from: &str) -> Result<String, Reason> {
        let unknown = |name: &str| format!("the shape of `{name}` is not known");
        let small = self.facts.sizes(to).ok_or_else(|| unknown(to))?.clone();
        let large = self.facts.sizes(from).ok_or_else(|| unknown(from))?.clone();
        let lead = large.len().checked_sub(small.len()).ok_or_else(|| unknown(from))?;
        let mut axes: Vec<usize> = (0..lead).collect();
        for (axis, pair) in small.iter().zip(large.iter().skip(lead)).enumerate() {
            match pair {
                (Some(a), Some(b)) if a == b => {}
                (Some(a), _) if a.constant() == Some(1) => axes.push(axis + lead),
                (Some(_), None) => {}
                _ => return Err(format!("axis {axis} of `{to}` may be broadcast or not")),
            }
        }
        if axes.is_empty() {
            return Ok(value.to_owned());
        }
        let summed = self.sum(value, &axes);
        Ok(if lead > 0 { self.reshape_like(&summed, to) } else { summed })
    }

    /// `value`, whose `axes` have size one, spread to the sizes of forward value `like`.
    pub(crate) fn spread(&mut self, value: &str, like: &str, axes: &[usize]) -> String {
        let rank = self.facts.rank(like).unwrap_or_default();
        let target: Option<Vec<i64>> =
            (0..rank).map(|axis| if axes.contains(&axis) { self.facts.size(like, axis) } else { Some(1) }).collect();
        let target = match target {
            Some(target) => self.list(&target),
            None => self.shape_of(like),
        };
        self.op("Expand", &[value, &target])
    }

    /// Zeros in the shape of a forward value.
    pub(crate) fn zeros(&mut self, like: &str) -> String {
        let shape = self.shape_of(like);
        self.zeros_of_shape(&shape, self.facts.element(like))
    }

    /// Zeros in the shape that `shape` holds.
    pub(crate) fn zeros_of_shape(&mut self, shape: &str, element: DataType) -> String {
        let zero = AttributeProto {
            name: Some("value".to_owned()),
            r#type: Some(AttributeType::Tensor as i32),
            t: Some(tensor::of_floats(element, &[1], &[0.0])),
            ..Default::default()
        };
        self.with("ConstantOfShape", &[shape], vec![zero])
    }

    /// `value` where `condition` holds, else zero; the element type is that of forward value `like`.
    ///
    /// As a product where `value` is finite: `Where` takes ONNX Runtime several passes. Elsewhere the product would be no number.
    pub(crate) fn keep_where(&mut self, condition: &str, value: &str, like: &str) -> String {
        if self.steep {
            let zero = self.number(like, 0.0);
            return self.op("Where", &[condition, value, &zero]);
        }
        let element = i64::from(self.facts.element(like) as i32);
        let mask = self.with("Cast", &[condition], vec![int("to", element)]);
        self.op("Mul", &[value, &mask])
    }

    /// The part of `value` from `starts` to `ends` (exclusive) along `axes`.
    pub(crate) fn slice(&mut self, value: &str, (starts, ends, axes): (&[i64], &[i64], &[i64])) -> String {
        let (starts, ends, axes) = (self.list(starts), self.list(ends), self.list(axes));
        self.op("Slice", &[value, &starts, &ends, &axes])
    }

    /// `value` with `before` and `behind` zeros along each axis; itself where there are none.
    pub(crate) fn pad(&mut self, value: &str, before: &[i64], behind: &[i64]) -> String {
        if before.iter().chain(behind).all(|&count| count == 0) {
            return value.to_owned();
        }
        let pads = self.list(&[before, behind].concat());
        self.op("Pad", &[value, &pads])
    }
}

/// Whether the slope of the node's operator is infinite at a finite argument, as that of `Sqrt` is at zero.
pub(crate) fn is_steep(node: &NodeProto) -> bool {
    const STEEP: [&str; 12] =
        ["Acos", "Acosh", "Asin", "Atanh", "Div", "Log", "LpNormalization", "Pow", "Reciprocal", "ReduceL2", "ReduceLogSum", "Sqrt"];
    STEEP.contains(&node.op_type())
}

/// What `Reshape` is told: -1 stands for the one size that depends on the number of images.
fn reshape_target(sizes: &[Option<Dim>]) -> Option<Vec<i64>> {
    let target: Vec<i64> = sizes.iter().map(|size| Some((*size)?.constant().unwrap_or(-1))).collect::<Option<_>>()?;
    let open = target.iter().filter(|&&size| size == -1).count();
    // A size of zero would mean "as before" to Reshape.
    (open <= 1 && !target.contains(&0)).then_some(target)
}
