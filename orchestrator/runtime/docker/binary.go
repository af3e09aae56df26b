package docker

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"path"
	"path/filepath"
	goruntime "runtime"
)

// binaryImage returns the image FROM scratch that holds an executable of this host, with its loader and libraries.
func binaryImage(ctx context.Context, e imageEngine, file string) (string, error) {
	if err := checkBinary(file); err != nil {
		return "", err
	}
	files, libs, err := contents(file, path.Join("/", filepath.Base(file)))
	if err != nil {
		return "", err
	}
	ref, _, err := makeImage(ctx, e, imageSpec{repo: chainRepo, dirs: chainDirs, files: files, libs: libs})
	return ref, err
}

// checkBinary fails unless the file is a program that containers of this host can run.
func checkBinary(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", file)
	}
	f, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("%s is not a Linux program (a script needs an image with its interpreter: dockerfile or ref): %w", file, err)
	}
	defer f.Close()
	if want := machines[goruntime.GOARCH]; f.Machine != want {
		return fmt.Errorf("%s is built for %v, containers of this host need %v", file, f.Machine, want)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("%s is an ELF file, but not a program", file)
	}
	return nil
}
