package device

import (
	"errors"
	"fmt"
)

func openCapture(cfg Config) (Capture, error) {
	return nil, fmt.Errorf("open input %v: %w", cfg.Spec, errors.ErrUnsupported)
}

func openRender(cfg Config) (Render, error) {
	return nil, fmt.Errorf("open output %v: %w", cfg.Spec, errors.ErrUnsupported)
}

func listHardware() (inputs, outputs []Info, err error) { return nil, nil, ErrNoSound }
