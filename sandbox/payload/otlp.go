package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"

	collectorlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// What one OTLP request may hold. A message of two bytes takes a hundred in
// memory, so they are counted before they are decoded.
const (
	maxMessages  = 400_000
	maxOTLPDepth = 64
	otlpChunk    = 500 // spans or log records in each item that is made of them
)

// An OTLPSignal is what an OTLP request carries.
type OTLPSignal string

const (
	OTLPTraces OTLPSignal = "traces"
	OTLPLogs   OTLPSignal = "logs"
)

// ParseOTLP reads an OTLP export request in either encoding as an envelope of
// spans or logs, and tells how many of them were dropped because they had no
// ids. contentType is the request's.
func ParseOTLP(signal OTLPSignal, contentType string, raw []byte) (env *Envelope, dropped int, err error) {
	decode := decodeProto
	if IsJSON(contentType) {
		decode = decodeProtoJSON
	}
	var list []Object
	kind := "span"
	switch signal {
	case OTLPTraces:
		var req collectortrace.ExportTraceServiceRequest
		if err := decode(raw, tracesShape, &req); err != nil {
			return nil, 0, err
		}
		list, dropped = otlpSpans(req.GetResourceSpans())
	case OTLPLogs:
		var req collectorlogs.ExportLogsServiceRequest
		if err := decode(raw, logsShape, &req); err != nil {
			return nil, 0, err
		}
		kind, list = "log", otlpLogs(req.GetResourceLogs())
	}
	if len(list) > maxContainerItems {
		return nil, 0, fmt.Errorf("more than %d %s; send smaller batches", maxContainerItems, signal)
	}
	env = &Envelope{}
	for len(list) > 0 {
		n := min(otlpChunk, len(list))
		body, err := json.Marshal(Object{"items": list[:n]})
		if err != nil {
			return nil, 0, fmt.Errorf("encode: %w", err)
		}
		env.Items, list = append(env.Items, Item{Kind: kind, Payload: body}), list[n:]
	}
	return env, dropped, nil
}

// IsJSON tells a request or an answer in JSON from one in protobuf.
func IsJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

func decodeProto(raw []byte, s shape, into proto.Message) error {
	budget := maxMessages
	if err := s.count(raw, maxOTLPDepth, &budget); err != nil {
		return err
	}
	if err := proto.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("not the protobuf message: %w", err)
	}
	return nil
}

func decodeProtoJSON(raw []byte, _ shape, into proto.Message) error {
	if bytes.Count(raw, []byte("{")) > maxMessages {
		return errTooMany
	}
	options := protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: maxOTLPDepth}
	if err := options.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("not the message in JSON: %w", err)
	}
	return nil
}

var errTooMany = fmt.Errorf("more than %d values; send smaller batches", maxMessages)

// A shape tells which fields of a message are messages, and their shapes.
type shape map[protowire.Number]shape

var (
	anyValue    = shape{}
	keyValue    = shape{2: anyValue}
	about       = shape{1: keyValue} // a resource
	scope       = shape{3: keyValue}
	span        = shape{9: keyValue, 11: {3: keyValue}, 13: {4: keyValue}}
	logRecord   = shape{5: anyValue, 6: keyValue}
	tracesShape = shape{1: {1: about, 2: {1: scope, 2: span}}}
	logsShape   = shape{1: {1: about, 2: {1: scope, 2: logRecord}}}
)

func init() {
	anyValue[5] = shape{1: anyValue} // an array
	anyValue[6] = shape{1: keyValue} // a map
}

// count takes each message from the budget.
func (s shape) count(raw []byte, depth int, budget *int) error {
	if depth == 0 {
		return errors.New("values too deep within each other")
	}
	for len(raw) > 0 {
		number, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return errNoProto
		}
		raw = raw[n:]
		size := protowire.ConsumeFieldValue(number, typ, raw)
		if size < 0 {
			return errNoProto
		}
		if *budget--; *budget < 0 {
			return errTooMany
		}
		if inner, ok := s[number]; ok && typ == protowire.BytesType {
			message, _ := protowire.ConsumeBytes(raw)
			if err := inner.count(message, depth-1, budget); err != nil {
				return err
			}
		}
		raw = raw[size:]
	}
	return nil
}

var errNoProto = errors.New("not the protobuf message; send JSON as application/json")

// otlpID is an id in hex, "" for none. Ids are hex in OTLP's JSON, where other
// bytes are base64; decoded as that, they are three quarters as long.
func otlpID(id []byte, size int) string {
	text := hex.EncodeToString(id)
	if len(id) == size*2*3/4 {
		text = strings.ToLower(base64.StdEncoding.EncodeToString(id))
	}
	if !IsHex(text, size*2) || strings.Trim(text, "0") == "" {
		return ""
	}
	return text
}

// otlpValue is an attribute's value as JSON would have it; what is too deep is
// left out.
func otlpValue(v *common.AnyValue, depth int) any {
	if depth == 0 {
		return nil
	}
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return json.Number(strconv.FormatInt(v.IntValue, 10))
	case *common.AnyValue_DoubleValue:
		if _, finite := Number(v.DoubleValue); finite {
			return v.DoubleValue
		}
	case *common.AnyValue_BytesValue:
		return base64.StdEncoding.EncodeToString(v.BytesValue)
	case *common.AnyValue_ArrayValue:
		out := []any{}
		for _, e := range v.ArrayValue.GetValues() {
			out = append(out, otlpValue(e, depth-1))
		}
		return out
	case *common.AnyValue_KvlistValue:
		return otlpObject("", v.KvlistValue.GetValues(), depth-1)
	}
	return nil
}

func otlpObject(prefix string, list []*common.KeyValue, depth int) Object {
	out := Object{}
	for _, kv := range list {
		if v := otlpValue(kv.GetValue(), depth); v != nil && kv.GetKey() != "" {
			out[prefix+kv.GetKey()] = v
		}
	}
	return out
}
