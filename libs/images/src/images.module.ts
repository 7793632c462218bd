import { Module } from '@nestjs/common';
import { ImageConverterService } from './image-converter.service.js';

/** Conversion of uploaded images. */
@Module({ providers: [ImageConverterService], exports: [ImageConverterService] })
export class ImagesModule {}
